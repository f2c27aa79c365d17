//! The command line: commands, their arguments, and the help that explains them. Does nothing itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// How programs that print and programs that read the output agree on endings.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, whether or not anybody still reads the output; also when demo, serve or watch is asked to end
  1  it could not be done; one line on standard error says what to do
  2  the arguments make no sense; nothing was opened or made";

const WATCH_JSON: &str = "\
With --json, one object per line, whenever anything but the revision has changed:
  {\"revision\",\"status\",\"trust\",\"pending\",\"total_count\",\"total_exact\",\"items\":[...]}
  status  live, connecting, offline or stopped: the connection
  trust   live, fresh, stale or unknown: how far the page can be trusted
  total_count  how many the query holds in all, null where nobody knows; a best guess unless total_exact
  items   the entities, each with its version as \"_version\" (null until the server has seen it);
          a field of that name, or with more underlines, gets one underline more

It keeps trying when the server is away, and ends with 1 only when no further attempt can help.";

const ACT_STATES: &str = "\
With --json, one line: {\"id\",\"action\",\"state\"}, with the \"number\" that queue takes where it is kept,
with \"reason\" where it came no further, and with the server's \"code\" where it was refused. The id
follows the name the server gave; state is
  durable   kept in --store, not yet accepted (exit code 1 unless that was waited for)
  accepted  the server said yes
  visible   the result came back
  parked    refused, and kept in --store for a decision (exit code 1)
  refused   refused, and gone for lack of a --store (exit code 1); also where the write cannot be taken in
            as it depends on one that was refused: then \"action\" is null, and so is an id that was not given
  unsent    not sent, and gone for lack of a --store (exit code 1)
  uncertain sent, and whether it was done cannot be known (exit code 1)";

const QUEUE_JSON: &str = "\
With --json, one line per action:
  {\"number\",\"id\",\"name\",\"type\",\"entity\",\"state\",\"reason\",\"waits_for\":[...]}
  state      waiting, possibly_sent, uncertain or parked; after sync or discard also accepted or gone
  waits_for  the numbers of what must be accepted or decided first, beside its turn; of a parked one, what
             it depends on and must be decided first";

/// A live cache in step with its server: try it, serve it, watch it, write to it.
#[derive(Debug, Parser)]
#[command(name = "tidewire", version, after_help = EXIT_CODES)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server, a client and a page that shows this machine's own data.
    Demo(Demo),
    /// Run a server for any entity types.
    Serve(Serve),
    /// Print a live list.
    Watch(Watch),
    /// Submit one write.
    Act(Act),
    /// Look at the writes kept in a store, send them, and decide on refused ones.
    Queue(Queue),
}

/// What `demo` is given.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub(crate) listen: String,
    /// Keep the data in this file, and the client's writes in FILE.client beside it. Without it,
    /// everything is gone when the demo ends.
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// What `serve` is given.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one. Clients connect to ws://ADDR/live.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: String,
    /// The database; made where there is none.
    #[arg(long, value_name = "FILE")]
    pub(crate) db: PathBuf,
    /// The database is an older copy that was put back; say so at the first start with it, and only then. Every
    /// client then reads anew what it holds.
    #[arg(long)]
    pub(crate) restored: bool,
}

/// What `watch` is given.
#[derive(Debug, Args)]
#[command(after_help = WATCH_JSON)]
pub(crate) struct Watch {
    /// The server, as ws://host:port/path or wss://host/path.
    pub(crate) url: String,
    /// The entity type.
    #[arg(value_name = "TYPE")]
    pub(crate) entity_type: String,
    /// Which entities, in which order, how many: "where score > 5 sort score desc limit 10".
    #[arg(long, value_name = "TEXT")]
    pub(crate) query: Option<String>,
    /// What to speak. In the basic dialect the list is what the pushes have shown so far.
    #[arg(long, value_enum, default_value_t = Dialect::V1)]
    pub(crate) dialect: Dialect,
    /// Print one JSON object per page and line.
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this time, with exit code 0.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) time: Option<Duration>,
}

/// What is spoken on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// The whole protocol.
    V1,
    /// Pushes of any server that sends JSON.
    Basic,
}

/// What `act` is given.
#[derive(Debug, Args)]
#[command(after_help = ACT_STATES)]
pub(crate) struct Act {
    /// The server, as ws://host:port/path or wss://host/path.
    pub(crate) url: String,
    #[command(subcommand)]
    pub(crate) write: ActWrite,
    /// Keep the write in this file until it is accepted; made where there is none.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Only store the write; `tidewire queue sync` sends it. Needs --store.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Print one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to wait for: durable (needs --store), accepted (the default) or visible.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "STATE",
        hide_possible_values = true
    )]
    pub(crate) wait: Option<Wait>,
}

/// One write.
#[derive(Debug, Subcommand)]
pub(crate) enum ActWrite {
    /// Create an entity; its id stands in the JSON object, or is made by the server.
    Create {
        /// The entity type.
        #[arg(value_name = "TYPE")]
        entity_type: String,
        /// The fields, as a JSON object.
        #[arg(value_name = "JSON")]
        fields: String,
    },
    /// Change fields of an entity; the others stay.
    Update {
        /// The entity type.
        #[arg(value_name = "TYPE")]
        entity_type: String,
        /// The entity's id.
        #[arg(value_name = "ID")]
        id: String,
        /// The fields to change, as a JSON object.
        #[arg(value_name = "JSON")]
        fields: String,
    },
    /// Remove an entity.
    Delete {
        /// The entity type.
        #[arg(value_name = "TYPE")]
        entity_type: String,
        /// The entity's id.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// The moment `act` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// It survives a crash.
    Durable,
    /// The server said yes.
    Accepted,
    /// Its result came back.
    Visible,
}

/// What `queue` is given.
#[derive(Debug, Args)]
#[command(after_help = QUEUE_JSON)]
pub(crate) struct Queue {
    /// The store that keeps the writes.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Print one JSON object per action.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

/// What is to be done with the writes of a store.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List them.
    Ls,
    /// Send them, and wait until each was accepted or parked.
    Sync {
        /// The server, as ws://host:port/path or wss://host/path.
        url: String,
    },
    /// Let a parked or uncertain one be sent again, at the next sync.
    Retry {
        /// Its number, as listed.
        #[arg(value_name = "N", value_parser = number, allow_negative_numbers = true)]
        number: u64,
    },
    /// Give a parked or uncertain one up, or take one back that was never sent.
    Discard {
        /// Its number, as listed.
        #[arg(value_name = "N", value_parser = number, allow_negative_numbers = true)]
        number: u64,
    },
}

/// Whether this is no fault but help, or the version.
pub(crate) fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// What is wrong with the words that were typed, on one line.
pub(crate) fn fault(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let parts = text.split("\n\n").map(str::trim);
    let said = parts.filter_map(|part| {
        let part = part.strip_prefix("error: ").unwrap_or(part);
        match part.strip_prefix("Usage: ") {
            Some(usage) => Some(format!("usage: {usage}")),
            // What it tells of --help stands at the end.
            None => (!part.is_empty() && !part.starts_with("For more information"))
                .then(|| part.to_owned()),
        }
    });
    let said: Vec<String> = said.collect();
    let line = format!("{}; --help tells more", said.join("; "));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "give the number that `tidewire queue ls` shows".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "give a number of seconds, 0 or more, such as 1.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(line: &str) -> Result<Program, clap::Error> {
        Program::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_contradict_nothing() {
        Program::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_behind_the_words() {
        for line in [
            "tidewire act ws://a create t {} --store f --json --wait visible",
            "tidewire act --store f --json --wait visible ws://a create t {}",
            "tidewire act ws://a --store f create --json t {} --wait visible",
        ] {
            let Command::Act(act) = read(line).unwrap().command else {
                panic!("{line}")
            };
            assert_eq!(
                (act.url.as_str(), act.json, act.wait),
                ("ws://a", true, Some(Wait::Visible))
            );
            assert_eq!(act.store, Some(PathBuf::from("f")));
        }
        for line in [
            "tidewire queue --store f ls --json",
            "tidewire queue ls --json --store f",
        ] {
            let Command::Queue(queue) = read(line).unwrap().command else {
                panic!("{line}")
            };
            assert!(
                queue.json && queue.store == Some(PathBuf::from("f")),
                "{line}"
            );
        }
        let Command::Watch(watch) = read("tidewire watch --json ws://a t --for 1.5")
            .unwrap()
            .command
        else {
            panic!("no watch");
        };
        assert_eq!(
            (watch.json, watch.time),
            (true, Some(Duration::from_millis(1_500)))
        );
    }

    #[test]
    fn a_time_that_is_no_number_of_seconds_is_misuse() {
        for time in ["soon", "-1", "1e400", "NaN"] {
            let error = read(&format!("tidewire watch ws://a t --for={time}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{time}");
        }
    }
}
