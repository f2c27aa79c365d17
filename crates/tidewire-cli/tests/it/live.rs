//! One server, two clients over real sockets: what one writes, the others see.

use serde_json::json;

use crate::support::serve::{Serve, fields, ids, is_live_with};

#[test]
fn two_clients_see_a_snapshot_then_every_update_creation_deletion_and_move() {
    let serve = Serve::start();
    for (id, score) in [("a", 10), ("b", 30), ("c", 20)] {
        serve.act(&[
            "create",
            "customers",
            &json!({"id": id, "name": id, "score": score}).to_string(),
        ]);
    }
    let whole = serve.watch("customers", &[]);
    let sorted = serve.watch(
        "customers",
        &["--query", "where score > 0 sort score desc limit 10"],
    );

    // Snapshot, and the sorted window.
    let page = whole.find("the snapshot", |page| is_live_with(page, &["a", "b", "c"]));
    assert_eq!(
        (&page["total_count"], &page["pending"]),
        (&json!(3), &json!(0))
    );
    let item = json!({"id": "b", "name": "b", "score": 30, "_version": 2});
    assert_eq!(page["items"][1], item);
    sorted.find("the sorted list", |page| {
        is_live_with(page, &["b", "c", "a"])
    });

    // A live update, which moves a row of the sorted list.
    serve.act(&["update", "customers", "a", r#"{"score":25}"#]);
    let page = whole.find("the update", |page| page["items"][0]["score"] == 25);
    assert_eq!(ids(&page), ["a", "b", "c"]);
    let page = sorted.find("the move", |page| ids(page) == ["b", "a", "c"]);
    assert_eq!(fields(&page, "score"), [30, 25, 20]);

    // A creation comes in at its place, a deletion leaves no hole.
    serve.act(&["create", "customers", r#"{"id":"d","name":"d","score":27}"#]);
    whole.find("the creation", |page| {
        is_live_with(page, &["a", "b", "c", "d"])
    });
    sorted.find("the creation", |page| {
        is_live_with(page, &["b", "d", "a", "c"])
    });
    serve.act(&["delete", "customers", "b"]);
    whole.find("the deletion", |page| {
        is_live_with(page, &["a", "c", "d"]) && page["total_count"] == 3
    });
    sorted.find("the deletion", |page| is_live_with(page, &["d", "a", "c"]));

    // Out of the filter and in again.
    serve.act(&["update", "customers", "d", r#"{"score":-1}"#]);
    sorted.find("the row to leave", |page| is_live_with(page, &["a", "c"]));
    serve.act(&["update", "customers", "d", r#"{"score":1}"#]);
    sorted.find("the row to come back", |page| {
        is_live_with(page, &["a", "c", "d"])
    });
}

#[test]
fn a_window_is_filled_up_when_a_row_of_it_goes() {
    let serve = Serve::start();
    for score in 1..=6 {
        serve.act(&[
            "create",
            "customers",
            &json!({"id": format!("c{score}"), "score": score}).to_string(),
        ]);
    }
    let top = serve.watch("customers", &["--query", "sort score desc limit 3"]);
    let page = top.find("the window", |page| is_live_with(page, &["c6", "c5", "c4"]));
    assert_eq!(page["total_count"], 6);
    serve.act(&["delete", "customers", "c5"]);
    top.find("the window to be filled", |page| {
        is_live_with(page, &["c6", "c4", "c3"]) && page["total_count"] == 5
    });
}

#[test]
fn a_type_needs_no_schema_and_its_name_may_hold_strange_characters() {
    let serve = Serve::start();
    let name = "Kunden/ü \"1\" '; drop table x; -- %00 \u{1f600}";
    let watch = serve.watch(name, &[]);
    watch.find("to be live", |page| is_live_with(page, &[]));
    serve.act(&[
        "create",
        name,
        r#"{"id":"é/1","deep":{"list":[1,null,"x"]}}"#,
    ]);
    let page = watch.find("the entity", |page| is_live_with(page, &["é/1"]));
    assert_eq!(page["items"][0]["deep"], json!({"list": [1, null, "x"]}));
}

#[test]
fn the_server_names_an_entity_that_came_without_an_id_and_keeps_one_that_came_with_one() {
    let serve = Serve::start();
    let named = serve.act(&[
        "create",
        "customers",
        r#"{"name":"Ada"}"#,
        "--wait",
        "visible",
    ]);
    let id = named["id"].as_str().unwrap();
    assert!(!id.is_empty() && !id.starts_with("tmp_"), "{named}");
    assert_eq!(named["state"], "visible");
    let number = serve.act(&["create", "customers", r#"{"id":7,"name":"Bo"}"#]);
    assert_eq!(number["id"], json!(7));
    let watch = serve.watch("customers", &["--query", "sort name"]);
    let page = watch.find("both", |page| page["items"].as_array().unwrap().len() == 2);
    assert_eq!(fields(&page, "id"), [&json!(id), &json!(7)]);
    // An id is the same as text and as a number.
    serve.act(&["update", "customers", "7", r#"{"name":"Bob"}"#]);
    watch.find("the update", |page| {
        page["items"][1]["name"] == "Bob" && page["items"][1]["id"] == 7
    });
}
