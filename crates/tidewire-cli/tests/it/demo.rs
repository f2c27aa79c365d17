//! The demo as its page sees it: files, the stream of events, and what may be asked.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::DEADLINE;
use crate::support::http::{Events, get, post, request};
use crate::support::program::{Program, run};
use crate::support::serve::watch;

/// A demo on a free port, which can be killed and started again on its database.
pub(crate) struct Demo {
    pub(crate) address: String,
    program: Program,
    folder: TempDir,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, address) = Self::run(&folder, "127.0.0.1:0");
        Self {
            address,
            program,
            folder,
        }
    }

    /// Kills it, and starts it again on the same database.
    fn crash(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        // The files are given back before the next one wants them.
        self.program.stop();
    }

    /// Starts it again where it was, after it was killed.
    pub(crate) fn start_again(&mut self) {
        (self.program, self.address) = Self::run(&self.folder, &self.address);
    }

    /// Takes the process out of the test's hands.
    pub(crate) fn into_program(self) -> (Program, TempDir) {
        (self.program, self.folder)
    }

    fn run(folder: &TempDir, listen: &str) -> (Program, String) {
        let database = folder.path().join("demo");
        let program = Program::start(&[
            "demo",
            "--listen",
            listen,
            "--db",
            database.to_str().unwrap(),
        ]);
        let line = program.line();
        let address = line
            .strip_prefix("open http://")
            .and_then(|rest| rest.split_once('/'));
        let address = address.unwrap_or_else(|| panic!("{line}")).0.to_owned();
        (program, address)
    }

    fn tab(&self) -> Tab {
        let events = Events::open(&self.address).expect("a stream of events");
        let (kind, hello) = events.next();
        assert_eq!(kind, "hello");
        let number = hello["tab"].as_u64().unwrap();
        Tab {
            events,
            number,
            lists: BTreeMap::new(),
            latest: BTreeMap::new(),
            pages: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let answer = post(&self.address, path, body);
        assert!(
            matches!(answer.status, 200 | 204),
            "{path} {body}: {answer:?}"
        );
        if answer.status == 200 {
            answer.json()
        } else {
            Value::Null
        }
    }
}

/// One tab that is open, and what it was told so far.
struct Tab {
    events: Events,
    number: u64,
    lists: BTreeMap<String, Vec<Value>>,
    latest: BTreeMap<String, Value>,
    /// How often a list was told whole.
    pages: BTreeMap<String, usize>,
    /// The steps told last.
    steps: BTreeMap<String, Vec<Value>>,
}

impl Tab {
    /// Waits until what it was told fits.
    fn wait<R>(&mut self, what: &str, found: impl Fn(&Self) -> Option<R>) -> R {
        let started = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "never {what}: {:#?} {:#?}",
                self.lists,
                self.latest
            );
            let (kind, event) = self.events.next();
            self.take(kind, event);
        }
    }

    fn take(&mut self, kind: String, event: Value) {
        let Some(list) = event["list"].as_str() else {
            self.latest.insert(kind, event);
            return;
        };
        let rows = self.lists.entry(list.to_owned()).or_default();
        if let Value::Array(page) = &event["rows"] {
            rows.clone_from(page);
            *self.pages.entry(list.to_owned()).or_default() += 1;
        } else {
            let steps = event["steps"].as_array().unwrap();
            steps.iter().for_each(|step| apply(rows, step));
            self.steps.insert(list.to_owned(), steps.clone());
        }
    }

    /// The rows of a list, as soon as they fit.
    fn rows(&mut self, list: &str, what: &str, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.wait(what, |tab| {
            tab.lists.get(list).filter(|rows| fits(rows)).cloned()
        })
    }

    fn status(&mut self, wanted: &str) -> Value {
        self.wait(wanted, |tab| {
            tab.latest
                .get("status")
                .filter(|status| status["connection"] == wanted)
                .cloned()
        })
    }

    fn queue(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, |tab| {
            tab.latest.get("queue").filter(|queue| fits(queue)).cloned()
        })
    }
}

fn apply(rows: &mut Vec<Value>, step: &Value) {
    let place = |name: &str| usize::try_from(step[name].as_u64().unwrap()).unwrap();
    match step["step"].as_str().unwrap() {
        "insert" => rows.insert(place("at"), step["row"].clone()),
        "remove" => drop(rows.remove(place("at"))),
        "replace" => rows[place("at")] = step["row"].clone(),
        "move" => {
            let row = rows.remove(place("from"));
            rows.insert(place("to"), row);
        }
        other => panic!("{other}"),
    }
}

fn named<'a>(rows: &'a [Value], name: &str) -> Option<&'a Value> {
    rows.iter().find(|row| row["fields"]["name"] == name)
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The policy a file came with.
fn policy(head: &str) -> &str {
    let name = "content-security-policy: ";
    let line = head
        .lines()
        .find(|line| line.to_lowercase().starts_with(name));
    &line.unwrap_or_else(|| panic!("no policy: {head}"))[name.len()..]
}

#[test]
fn the_page_and_all_it_needs_come_from_the_demo_itself() {
    let demo = Demo::start();
    let page = get(&demo.address, "/");
    assert!(
        page.status == 200 && page.head.contains("text/html"),
        "{page:?}"
    );
    // Whatever a file might ask for, the browser gets it from nowhere else.
    assert_eq!(policy(&page.head), POLICY);
    let mut waiting = vec![page.body];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(text) = waiting.pop() {
        let foreign: Vec<&str> = text
            .match_indices("//")
            .filter(|(at, _)| text[..*at].ends_with([':', '"', '\'', '(']))
            .map(|(at, _)| text[at..].split(['"', '\'', ')', ' ']).next().unwrap())
            // The name of a language, which is never asked for.
            .filter(|name| *name != "//www.w3.org/2000/svg")
            .collect();
        assert_eq!(foreign, Vec::<&str>::new(), "nothing comes from elsewhere");
        for name in text
            .split(['"', '\''])
            .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
        {
            let path = name
                .strip_prefix("./")
                .map_or_else(|| name.to_owned(), |name| format!("/page/{name}"));
            if seen.insert(path.clone()) {
                let file = get(&demo.address, &path);
                assert_eq!(file.status, 200, "{path}");
                assert!(file.head.to_lowercase().contains("nosniff"), "{path}");
                assert_eq!(policy(&file.head), POLICY, "{path}");
                waiting.push(file.body);
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
    assert_eq!(get(&demo.address, "/page/../main.rs").status, 404);
}

#[test]
fn a_client_store_of_another_program_ends_the_demo_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("demo");
    let foreign = folder.path().join("demo.client");
    std::fs::write(&foreign, "of somebody else").unwrap();
    let words = ["demo", "--listen", "127.0.0.1:0", "--db"];
    // What else was said depended on who was faster.
    for _ in 0..8 {
        let ended = run(&[&words[..], &[database.to_str().unwrap()]].concat());
        assert!(ended.failure(1).contains("demo.client"), "{ended:?}");
    }
    assert_eq!(std::fs::read(&foreign).unwrap(), b"of somebody else");
}

#[test]
fn a_tab_is_told_of_processes_metrics_activities_and_customers() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.status("live");
    let customers = tab.rows("customers", "customers", |rows| rows.len() == 10);
    assert!(
        customers
            .iter()
            .all(|row| row["pending"] == false && row["fields"]["name"].is_string())
    );

    let processes = tab.rows("processes", "processes", |rows| !rows.is_empty());
    let usage = |row: &Value| row["fields"]["cpu"].as_f64().unwrap();
    assert!(
        processes
            .windows(2)
            .all(|pair| usage(&pair[0]) >= usage(&pair[1])),
        "the busiest first"
    );
    assert!(processes.len() <= 20);

    let metrics = tab.rows("metrics", "metrics", |rows| rows.len() >= 9);
    assert_eq!(
        (&metrics[0]["id"], &metrics[0]["fields"]["title"]),
        (&"cpu".into(), &"CPU".into())
    );

    tab.rows("activities", "the client's own arrival", |rows| {
        rows.iter().any(|row| {
            row["fields"]["kind"] == "client"
                && row["fields"]["text"]
                    .as_str()
                    .unwrap()
                    .contains("connected")
        })
    });
}

#[test]
fn after_the_first_page_a_tab_is_told_only_what_changed() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("metrics", "metrics", |rows| rows.len() >= 9);
    let step = tab.wait("a changed row", |tab| {
        let steps = tab.steps.get("metrics")?;
        steps.iter().find(|step| step["step"] == "replace").cloned()
    });
    assert!(step["row"]["fields"]["value"].is_number(), "{step}");
    assert_eq!(tab.pages["metrics"], 1, "a page is told whole once");
}

#[test]
fn with_the_connection_cut_a_write_shows_at_once_and_its_mark_goes_when_the_connection_is_back() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    demo.post("/api/switch", &json!({"online": false}));
    let status = tab.status("offline");
    assert_eq!(
        (&status["label"], &status["online"]),
        (&json!("Offline"), &json!(false))
    );

    let mut other = demo.tab();
    let made = demo.post(
        "/api/write",
        &json!({"name": "create", "fields": {"name": "Aaron", "status": "lead", "score": 1}}),
    );
    assert!(made["id"].as_str().unwrap().starts_with("tmp_"), "{made}");
    let rows = other.rows("customers", "the new row", |rows| {
        named(rows, "Aaron").is_some()
    });
    assert_eq!(named(&rows, "Aaron").unwrap()["pending"], true);
    tab.queue("one pending", |queue| {
        queue["pending"] == 1 && queue["actions"][0]["title"] == "Aaron"
    });

    demo.post("/api/switch", &json!({"online": true}));
    tab.status("live");
    tab.queue("none pending", |queue| queue["pending"] == 0);
    let mut fresh = demo.tab();
    let rows = fresh.rows("customers", "the mark to go", |rows| {
        named(rows, "Aaron").is_some_and(|row| row["pending"] == false)
    });
    assert!(
        !named(&rows, "Aaron").unwrap()["id"]
            .as_str()
            .unwrap()
            .starts_with("tmp_")
    );
}

#[test]
fn a_demo_that_was_killed_keeps_its_customers_and_sends_what_was_not_sent() {
    let mut demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    demo.post("/api/write", &json!({"name": "delete", "id": "c-1"}));
    tab.rows("customers", "the deletion", |rows| {
        named(rows, "Ada Lindqvist").is_none()
    });
    tab.queue("the deletion to be sent", |queue| queue["pending"] == 0);
    demo.post("/api/switch", &json!({"online": false}));
    tab.status("offline");
    demo.post(
        "/api/write",
        &json!({"name": "update", "id": "c-2", "fields": {"score": 72}}),
    );
    tab.queue("the update to wait", |queue| queue["pending"] == 1);

    demo.crash();
    let mut tab = demo.tab();
    let rows = tab.rows("customers", "the update", |rows| {
        named(rows, "Bram de Vries")
            .is_some_and(|row| row["fields"]["score"] == 72 && row["pending"] == false)
    });
    assert!(
        named(&rows, "Ada Lindqvist").is_none(),
        "what was deleted is not created anew"
    );
}

#[test]
fn a_process_that_ended_while_the_demo_was_down_is_not_there_any_more() {
    let mut demo = Demo::start();
    // Any process that goes on until it is killed.
    let other = demo.folder.path().join("other");
    let words = ["serve", "--listen", "127.0.0.1:0", "--db"];
    let child = Program::start(&[&words[..], &[other.to_str().unwrap()]].concat());
    let query = format!("where pid = {}", child.id());
    let look = |demo: &Demo, rows: u64| {
        let url = format!("ws://{}/live", demo.address);
        let watch = watch(&url, "processes", &["--query", &query]);
        watch.find("the process", |page| {
            page["trust"] == "live" && page["total_count"] == rows
        });
    };
    look(&demo, 1);
    demo.stop();
    child.kill();
    demo.start_again();
    look(&demo, 0);
}

#[test]
fn customers_that_were_all_deleted_do_not_come_back() {
    let mut demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    for number in 1..=14 {
        let id = format!("c-{number}");
        demo.post("/api/write", &json!({"name": "delete", "id": id}));
    }
    tab.rows("customers", "all to be gone", <[Value]>::is_empty);
    tab.queue("everything to be sent", |queue| queue["pending"] == 0);
    demo.crash();
    let mut tab = demo.tab();
    // What is published at the start comes before these.
    tab.rows("metrics", "metrics", |rows| rows.len() >= 9);
    demo.post(
        "/api/write",
        &json!({"name": "create", "fields": {"name": "Zoe"}}),
    );
    let rows = tab.rows("customers", "the new one to be taken", |rows| {
        named(rows, "Zoe").is_some_and(|row| row["pending"] == false)
    });
    assert_eq!(rows.len(), 1, "{rows:#?}");
}

#[test]
fn the_feed_shows_the_last_fifty() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    for score in 0..60 {
        let write = json!({"name": "update", "id": "c-1", "fields": {"score": score}});
        demo.post("/api/write", &write);
    }
    let number = |row: &Value| row["fields"]["number"].as_u64().unwrap();
    let rows = tab.rows("activities", "more than are shown", |rows| {
        rows.first().is_some_and(|newest| number(newest) >= 60)
    });
    assert_eq!(rows.len(), 50);
    assert!(
        rows.windows(2)
            .all(|pair| number(&pair[0]) == number(&pair[1]) + 1),
        "the newest first, and none is missing: {rows:#?}"
    );
}

#[cfg(unix)]
#[test]
fn processes_move_as_the_machine_works_and_never_more_than_twenty_are_shown() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("processes", "the processes", |rows| !rows.is_empty());
    // One that has something to do, and then nothing.
    let mut command = Command::new("sh");
    command.args(["-c", "while read -r line; do :; done < /dev/zero"]);
    let busy = Program::spawn(command);
    tab.rows("processes", "the busy one", |rows| {
        assert!(rows.len() <= 20);
        rows.iter().any(|row| row["fields"]["pid"] == busy.id())
    });
    let moved = |tab: &Tab| {
        assert!(tab.lists["processes"].len() <= 20);
        let steps = tab.steps.get("processes")?;
        steps
            .iter()
            .any(|step| step["step"] == "move")
            .then_some(())
    };
    tab.wait("a move", moved);
}

#[test]
fn a_refused_write_shows_as_parked_with_its_reason_until_somebody_decides() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    demo.post(
        "/api/write",
        &json!({"name": "update", "id": "c-1", "fields": {"name": " "}}),
    );
    let queue = tab.queue("one parked", |queue| queue["parked"] == 1);
    let parked = &queue["actions"][0];
    assert_eq!(parked["state"], "parked");
    assert!(
        parked["reason"].as_str().unwrap().contains("name"),
        "{parked}"
    );
    // The view is without it.
    let mut fresh = demo.tab();
    let rows = fresh.rows("customers", "the customers", |rows| rows.len() == 10);
    assert!(named(&rows, "Ada Lindqvist").is_some_and(|row| row["pending"] == false));

    let action = json!({"action": parked["action"]});
    demo.post("/api/retry", &action);
    tab.queue("it to be tried again", |queue| queue["pending"] == 1);
    tab.queue("it to be refused again", |queue| queue["parked"] == 1);
    demo.post("/api/discard", &action);
    tab.queue("it to be gone", |queue| {
        queue["parked"] == 0 && queue["pending"] == 0
    });
    let again = post(&demo.address, "/api/discard", &action);
    assert_eq!(
        (again.status, again.body.contains("gone")),
        (409, true),
        "{again:?}"
    );
}

#[test]
fn a_write_that_depends_on_a_refused_one_names_it_as_the_page_does() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    demo.post("/api/switch", &json!({"online": false}));
    tab.status("offline");
    let fields = json!({"name": "Aaron", "status": "lead", "score": 101});
    let made = demo.post("/api/write", &json!({"name": "create", "fields": fields}));
    let update = json!({"name": "update", "id": made["id"], "fields": {"score": 1}});
    let update = demo.post("/api/write", &update);
    demo.post("/api/switch", &json!({"online": true}));
    let queue = tab.queue("both parked", |queue| queue["parked"] == 2);
    let why = queue["actions"][1]["reason"].as_str().unwrap();
    assert!(why.contains("\u{201c}create Aaron\u{201d}"), "{why}");
    let action = json!({"action": update["action"]});
    let refused = post(&demo.address, "/api/retry", &action);
    let why = &refused.body;
    assert!(
        refused.status == 409 && why.contains("\u{201c}create Aaron\u{201d}"),
        "{why}"
    );
}

#[test]
fn each_tab_has_its_own_customers_also_with_the_connection_cut() {
    let demo = Demo::start();
    let (mut one, mut two) = (demo.tab(), demo.tab());
    one.rows("customers", "the first page", |rows| rows.len() == 10);
    two.rows("customers", "the first page", |rows| rows.len() == 10);
    demo.post("/api/switch", &json!({"online": false}));
    let choose = |tab: &Tab, choice: Value| {
        demo.post(
            "/api/customers",
            &json!({"tab": tab.number, "choice": choice}),
        )
    };
    choose(
        &one,
        json!({"sort": "score", "descending": true, "offset": 0, "limit": 3}),
    );
    choose(
        &two,
        json!({"status": "paused", "search": "", "sort": "name", "descending": false, "offset": 0, "limit": 10}),
    );
    let rows = one.rows("customers", "the best three", |rows| rows.len() == 3);
    assert_eq!(rows[0]["fields"]["name"], "Nora Byrne");
    let rows = two.rows("customers", "the paused ones", |rows| rows.len() == 2);
    assert!(rows.iter().all(|row| row["fields"]["status"] == "paused"));
    choose(
        &two,
        json!({"search": "ÅRHU", "sort": "name", "descending": false, "offset": 0, "limit": 10}),
    );
    two.rows("customers", "none", |rows| rows.is_empty());
    choose(
        &two,
        json!({"search": "aarhu", "sort": "name", "descending": false, "offset": 0, "limit": 10}),
    );
    two.rows("customers", "the one from Aarhus", |rows| rows.len() == 1);
    choose(
        &one,
        json!({"sort": "name", "descending": false, "offset": 10, "limit": 10}),
    );
    one.rows("customers", "the second page", |rows| rows.len() == 4);
}

#[cfg(unix)]
#[test]
fn a_demo_without_a_file_ends_when_it_is_asked_to_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
    command
        .args(["demo", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", folder.path());
    let program = Program::spawn(command);
    let line = program.line();
    let (_, address) = line.split_once("http://").unwrap();
    let (address, _) = address.split_once('/').unwrap();
    // A page that is open keeps nobody from ending.
    let page = Events::open(address).expect("a stream of events");
    assert_eq!(page.next().0, "hello");
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(
        entries(),
        1,
        "the data is in the folder for what is temporary"
    );
    program.terminate();
    program.ended().success();
    assert_eq!(entries(), 0);
}

#[test]
fn only_the_demos_own_page_may_ask() {
    let demo = Demo::start();
    let body = json!({"online": false}).to_string();
    let json = ("Content-Type", "application/json");
    let own = format!("http://{}", demo.address);
    let ask = |headers: &[(&str, &str)], body: &str| {
        request(&demo.address, "POST", "/api/switch", headers, body).status
    };
    assert_eq!(ask(&[json, ("Origin", "http://evil.net")], &body), 403);
    assert_eq!(
        ask(
            &[json, ("Origin", "http://evil.net"), ("Host", "evil.net")],
            &body
        ),
        403
    );
    assert_eq!(
        ask(&[("Content-Type", "text/plain"), ("Origin", &own)], &body),
        415
    );
    assert_eq!(ask(&[json, ("Origin", &own)], "{"), 400);
    assert_eq!(
        ask(
            &[json, ("Origin", &own)],
            &format!("{{\"online\":\"{}\"}}", "x".repeat(100_000))
        ),
        413
    );
    assert_eq!(
        request(&demo.address, "GET", "/events", &[("Host", "evil.net")], "").status,
        403
    );
    // A stream of events has no origin where the page is foreign, but a browser says where it comes from.
    let site = [("Sec-Fetch-Site", "cross-site")];
    let foreign = request(&demo.address, "GET", "/events", &site, "");
    assert_eq!(foreign.status, 403);
    assert_eq!(ask(&[json, ("Origin", &own)], &body), 204);
}

#[test]
fn a_tab_that_goes_away_makes_room_for_another() {
    let demo = Demo::start();
    let mut tabs = Vec::new();
    let status = loop {
        match Events::open(&demo.address) {
            Ok(events) => tabs.push(events),
            Err(status) => break status,
        }
        assert!(tabs.len() < 1_000, "there is a limit");
    };
    assert_eq!(status, 503);
    drop(tabs);
    let started = Instant::now();
    while Events::open(&demo.address).is_err() {
        assert!(started.elapsed() < DEADLINE, "the room is given back");
        std::thread::yield_now();
    }
}

#[test]
fn a_customer_that_makes_no_sense_is_refused_with_the_reason() {
    let demo = Demo::start();
    let url = format!("ws://{}/live", demo.address);
    for (fields, reason) in [
        (r#"{"status":"happy"}"#, "active, lead, paused"),
        (r#"{"score":1000}"#, "from 0 to 100"),
        (r#"{"name":" "}"#, "name that is not empty"),
    ] {
        let ended = run(&["act", &url, "update", "customers", "c-1", fields, "--json"]);
        assert!(ended.failure(1).contains(reason), "{ended:?}");
        assert_eq!(ended.json()["state"], "refused");
    }
}

#[test]
fn a_customer_needs_a_name_and_goes_without_the_rest_also_later() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    let url = format!("ws://{}/live", demo.address);
    let fields = r#"{"id":"x","name":"Aaron","status":"lead","score":1}"#;
    run(&["act", &url, "create", "customers", fields]).success();
    run(&["act", &url, "create", "customers", r#"{"name":"Abel"}"#]).success();
    let rows = tab.rows("customers", "both", |rows| {
        named(rows, "Aaron").is_some() && named(rows, "Abel").is_some()
    });
    assert!(
        named(&rows, "Abel").unwrap()["fields"]
            .get("status")
            .is_none()
    );

    // As the page asks for it where a field is emptied.
    let unset = json!(["status", "score"]);
    let write = json!({"name": "update", "id": "x", "fields": {"city": "Oslo"}, "unset": unset});
    demo.post("/api/write", &write);
    tab.rows("customers", "it without", |rows| {
        let Some(row) = named(rows, "Aaron") else {
            return false;
        };
        let fields = &row["fields"];
        row["pending"] == false
            && fields["city"] == "Oslo"
            && fields.get("status").is_none()
            && fields.get("score").is_none()
    });
    let write = json!({"name": "update", "id": "x", "fields": {}, "unset": ["name"]});
    demo.post("/api/write", &write);
    tab.queue("it to be refused", |queue| queue["parked"] == 1);
}

#[test]
fn writes_are_named_after_their_customer_and_what_is_not_shown_is_counted() {
    let demo = Demo::start();
    let mut tab = demo.tab();
    tab.rows("customers", "the customers", |rows| rows.len() == 10);
    demo.post("/api/switch", &json!({"online": false}));
    tab.status("offline");
    let fields = json!({"name": "Aaron", "status": "lead", "score": 1});
    let made = demo.post("/api/write", &json!({"name": "create", "fields": fields}));
    let id = &made["id"];
    demo.post("/api/write", &json!({"name": "delete", "id": id}));
    tab.queue("both named", |queue| {
        let actions = queue["actions"].as_array().unwrap();
        actions.len() == 2
            && actions
                .iter()
                .all(|action| action["title"] == "Aaron" && action["is_unnamed"] == true)
    });
    for score in 0..58 {
        let write = json!({"name": "update", "id": "c-1", "fields": {"score": score}});
        demo.post("/api/write", &write);
    }
    tab.queue("all counted", |queue| {
        queue["pending"] == 60 && queue["actions"].as_array().unwrap().len() == 50
    });
}
