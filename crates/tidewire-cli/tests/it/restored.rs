//! `serve --restored`: an older copy of the database is put back, and nobody stays wrong.

use crate::support::program::run;
use crate::support::serve::{Serve, is_live_with};

#[cfg(unix)]
#[test]
fn watchers_of_a_database_that_was_put_back_end_up_with_what_the_copy_holds() {
    let mut serve = Serve::start();
    let create = |serve: &Serve, id: &str| {
        serve.act(&["create", "customers", &format!("{{\"id\":\"{id}\"}}")]);
    };
    create(&serve, "a");
    serve.end();
    let (database, copy) = (serve.path("database"), serve.path("copy"));
    std::fs::copy(&database, &copy).unwrap();
    serve.start_again();
    create(&serve, "lost");
    let watch = serve.watch("customers", &[]);
    watch.find("both", |page| is_live_with(page, &["a", "lost"]));
    serve.end();

    // The copy is written on where no watcher looks, until it is as far as the watcher was, and further.
    std::fs::copy(&copy, &database).unwrap();
    let home = serve.address().to_owned();
    serve.move_to("127.0.0.1:0");
    serve.start_again_with(&["--restored"]);
    create(&serve, "b");
    create(&serve, "c");
    serve.end();
    serve.move_to(&home);
    serve.start_again();
    create(&serve, "d");
    let pages = watch.until("what the copy holds", |page| {
        is_live_with(page, &["a", "b", "c", "d"])
    });
    let is_wrong = |page: &serde_json::Value| {
        page["trust"] == "live"
            && page.to_string().contains("lost")
            && page.to_string().contains("\"d\"")
    };
    assert!(!pages.iter().any(is_wrong), "{pages:#?}");
}

#[test]
fn what_was_not_put_back_cannot_be_started_as_a_copy_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("database");
    let words = ["serve", "--listen", "127.0.0.1:0", "--restored", "--db"];
    let ended = run(&[&words[..], &[database.to_str().unwrap()]].concat());
    assert!(ended.failure(1).contains("put the copy there"), "{ended:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
