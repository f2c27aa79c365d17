//! Law 20: the same inputs give the same outputs, byte for byte.

use std::time::Duration;

use tidewire_protocol::{ServerMessage, SubscribeResult};

use crate::bench::{Bench, created, events, row};

/// A run with reconnects, writes and a fetch; everything the engine said, as text.
fn run() -> String {
    let mut bench = Bench::windowed();
    bench.watch_list("sort score desc limit 5");
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 1, 1);
    bench.page(1, vec![row("c1", 1, 1)], Some(1), true);
    bench.update("c1", 2);
    bench.tell(ServerMessage::Events(events(
        1,
        2,
        vec![created("c2", 3, 2)],
    )));
    for _ in 0..3 {
        bench.cut();
        bench.go_up();
        bench.update("c2", 9);
    }
    bench.run_for(Duration::from_secs(120));
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}",
        bench.sent, bench.stored, bench.stages, bench.woken
    )
}

#[test]
fn law_20_the_same_inputs_give_the_same_outputs() {
    assert_eq!(run(), run());
}
