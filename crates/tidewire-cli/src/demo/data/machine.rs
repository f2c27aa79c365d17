//! This machine as the operating system shows it. Reads only; knows nothing of entities.

use std::collections::BTreeMap;
use std::time::Instant;

use sysinfo::{Networks, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::failure::Failure;

/// The machine at one moment.
pub(super) struct Sample {
    /// By process id.
    pub(super) processes: BTreeMap<u32, Process>,
    /// Share of all cores in use, in percent.
    pub(super) cpu_percent: f64,
    pub(super) memory_used_bytes: u64,
    pub(super) memory_total_bytes: u64,
    /// Average over a minute; absent where the system has no such thing.
    pub(super) load: Option<f64>,
    /// Bytes per second since the sample before.
    pub(super) received_per_second: f64,
    pub(super) sent_per_second: f64,
}

/// One process.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    pub(super) name: String,
    /// In percent of one core.
    pub(super) cpu_percent: f64,
    pub(super) memory_bytes: u64,
    pub(super) state: String,
    /// When it started, in seconds since 1970. Tells processes apart that have had the same id.
    pub(super) started: u64,
}

/// Looks at the machine again and again; rates are worked out from one look to the next.
pub(super) struct Machine {
    /// Away while a look is being taken.
    eyes: Option<Eyes>,
}

struct Eyes {
    system: System,
    networks: Networks,
    last: Instant,
}

impl Machine {
    pub(super) fn new() -> Result<Self, Failure> {
        let eyes = || {
            Ok(Eyes {
                system: System::new()?,
                networks: Networks::new_with_refreshed_list()?,
                last: Instant::now(),
            })
        };
        let eyes: Result<Eyes, sysinfo::Error> = eyes();
        let eyes = eyes.map_err(|error| {
            Failure::failed(format!("this machine cannot be looked at: {error}"))
        })?;
        Ok(Self { eyes: Some(eyes) })
    }

    /// Takes a look, on a thread that may wait for the operating system.
    pub(super) async fn look(&mut self) -> Result<Sample, Failure> {
        let lost =
            || Failure::failed("this machine cannot be looked at any more; start the demo again");
        let mut eyes = self.eyes.take().ok_or_else(lost)?;
        let looked = tokio::task::spawn_blocking(move || {
            let sample = eyes.look();
            (eyes, sample)
        });
        let (eyes, sample) = looked.await.map_err(|_| lost())?;
        self.eyes = Some(eyes);
        Ok(sample)
    }
}

impl Eyes {
    fn look(&mut self) -> Sample {
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let seconds = self.last.elapsed().as_secs_f64().max(0.001);
        self.last = Instant::now();
        let (received, sent) = self
            .networks
            .values()
            .fold((0, 0), |(received, sent), network| {
                (received + network.received(), sent + network.transmitted())
            });
        Sample {
            processes: self
                .system
                .processes()
                .values()
                .filter(|process| process.thread_kind().is_none())
                .map(one)
                .collect(),
            cpu_percent: f64::from(self.system.global_cpu_usage()),
            memory_used_bytes: self.system.used_memory(),
            memory_total_bytes: self.system.total_memory(),
            load: System::load_average().ok().map(|load| load.one),
            received_per_second: received as f64 / seconds,
            sent_per_second: sent as f64 / seconds,
        }
    }
}

fn one(process: &sysinfo::Process) -> (u32, Process) {
    let name = process.name().to_string_lossy().into_owned();
    let state = process.status().to_string().to_lowercase();
    let cpu_percent = f64::from(process.cpu_usage());
    (
        process.pid().as_u32(),
        Process {
            name,
            cpu_percent,
            memory_bytes: process.memory(),
            state,
            started: process.start_time(),
        },
    )
}
