//! The figures of the dashboard, one entity each.

use tidewire::EntityId;
use tidewire_model::RecordBuilder;
use tidewire_server::ServerStats;

use super::machine::Sample;
use super::published::Entities;

/// A figure as it is shown: id, title, value, unit.
type Figure = (&'static str, &'static str, f64, &'static str);

const KIB: f64 = 1024.0;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// All figures. Their order on the page is the order here.
pub(super) fn entities(sample: &Sample, stats: &ServerStats) -> Entities {
    let mut figures: Vec<Figure> = vec![
        ("cpu", "CPU", rounded(sample.cpu_percent), "%"),
        (
            "memory",
            "Memory",
            rounded(percent(sample.memory_used_bytes, sample.memory_total_bytes)),
            "%",
        ),
        (
            "memory-used",
            "Memory used",
            rounded(sample.memory_used_bytes as f64 / GIB),
            "GiB",
        ),
    ];
    figures.extend(
        sample
            .load
            .map(|load| ("load", "Load, 1 min", hundredths(load), "")),
    );
    let hub = &stats.hub;
    figures.extend([
        (
            "network-in",
            "Network in",
            rounded(sample.received_per_second / KIB),
            "KiB/s",
        ),
        (
            "network-out",
            "Network out",
            rounded(sample.sent_per_second / KIB),
            "KiB/s",
        ),
        ("clients", "Clients", hub.clients as f64, ""),
        ("commits", "Commits", hub.commits as f64, ""),
        (
            "accepted",
            "Writes accepted",
            hub.actions_accepted as f64,
            "",
        ),
        ("refused", "Writes refused", hub.actions_refused as f64, ""),
    ]);
    let entity = |(order, (id, title, value, unit)): (usize, Figure)| {
        let record = RecordBuilder::new()
            .field("id", id)
            .field("title", title)
            .field("value", value)
            .field("unit", unit)
            .field("order", u64::try_from(order).unwrap_or(u64::MAX))
            .build();
        EntityId::text(id).ok().map(|id| (id, record))
    };
    figures.into_iter().enumerate().filter_map(entity).collect()
}

/// To one decimal: what moves below it is noise.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64 * 100.0
    }
}
