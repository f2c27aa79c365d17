//! The page in a real browser.

use std::time::Instant;

use crate::demo::Demo;
use crate::support::http::Events;
use crate::support::webdriver::Browser;
use crate::support::{DEADLINE, lacking};

/// The tabs a demo takes.
const TABS: usize = 64;

const LACK: &str = "a browser, named by TIDEWIRE_CHROMIUM and TIDEWIRE_CHROMEDRIVER,";

/// Waits for the next time a class is set on an element that fits, and gives how long it stays, in
/// milliseconds.
fn duration_of_mark(browser: &Browser, selector: &str, class: &str) -> f64 {
    let script = format!(
        "const started = new Map();
         const look = new MutationObserver((changes) => {{
           for (const {{ target }} of changes) {{
             if (!target.matches('{selector}')) continue;
             const has = target.classList.contains('{class}');
             if (has && !started.has(target)) started.set(target, performance.now());
             else if (!has && started.has(target)) {{
               look.disconnect();
               done(performance.now() - started.get(target));
             }}
           }}
         }});
         look.observe(document.body, {{ subtree: true, attributes: true, attributeFilter: ['class'] }});"
    );
    browser.run_until(&script).as_f64().unwrap()
}

fn keep_picture(browser: &Browser, name: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join(name), decode(&browser.picture())).unwrap();
}

/// The bytes of a text in base64.
fn decode(text: &str) -> Vec<u8> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text
        .bytes()
        .filter_map(|byte| letters.iter().position(|letter| *letter == byte));
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_usize, 0);
    for value in values {
        held = (held << 6 | value) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    bytes
}

fn status(browser: &Browser, text: &str) {
    browser.wait(&format!(
        "document.getElementById('status').textContent === '{text}'"
    ));
}

/// A row of the customers, by name.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#customers tr')].find((row) => row.cells[0].textContent === '{name}')"
    )
}

#[test]
fn the_page_shows_the_machine_and_the_connection_and_keeps_writes_while_it_is_cut() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    shows_and_keeps_writes(&browser, &demo);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_page_works_in_firefox_too() {
    let Some(browser) = Browser::firefox() else {
        // Its driver is in no package of Debian, and takes long to build: not even CI has to have it.
        eprintln!("skipped: TIDEWIRE_FIREFOX and TIDEWIRE_GECKODRIVER name no browser");
        return;
    };
    let demo = Demo::start();
    shows_and_keeps_writes(&browser, &demo);
    browser.click("#customers tr:first-child [data-command=delete]");
    browser.wait("document.getElementById('queue-counts').textContent === 'none'");
    text(&browser, "#customers-range", "1\u{2013}10 of 14");
    last_choice_is_shown(&browser);
    says_that_the_demo_is_lost(&browser, demo);
}

fn shows_and_keeps_writes(browser: &Browser, demo: &Demo) {
    browser.open(&format!("http://{}/", demo.address));
    status(browser, "Live");
    browser.wait("document.querySelectorAll('.metric').length >= 9");
    browser.wait("document.querySelectorAll('#processes tr').length > 0");
    browser.wait("document.querySelectorAll('#customers tr').length === 10");
    browser.wait("document.querySelectorAll('#activities li').length > 0");
    assert_eq!(
        browser.run("return document.querySelector('.status use').getAttribute('href')"),
        "#icon-live"
    );

    browser.click("#switch");
    status(browser, "Offline");
    assert_eq!(
        browser.run("return document.getElementById('switch').getAttribute('aria-checked')"),
        "false"
    );

    browser.click("#customer-new");
    browser.fill("#customer-name", "Aaron <b>Adams</b>");
    browser.fill("#customer-city", "Lund");
    browser.click("#customer-save");
    let name = "Aaron <b>Adams</b>";
    browser.wait(&format!("{}?.querySelector('.pending')", row(name)));
    browser.wait("document.getElementById('queue-counts').textContent === '1 pending'");
    keep_picture(browser, "page-offline.png");

    browser.click("#switch");
    status(browser, "Live");
    browser.wait(&format!("{0} && !{0}.querySelector('.pending')", row(name)));
    browser.wait("document.getElementById('queue-counts').textContent === 'none'");
    browser.wait("[...document.querySelectorAll('#activities .text')].some((text) => text.textContent.includes('accepted'))");
    keep_picture(browser, "page-live.png");
}

#[test]
fn a_refused_write_is_shown_with_its_reason_and_can_be_discarded() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    browser.open(&format!("http://{}/", demo.address));
    browser.wait("document.querySelectorAll('#customers tr').length === 10");
    browser.click("#customers tr:first-child [data-command=edit]");
    browser.fill("#customer-name", "");
    browser.click("#customer-save");
    browser.wait(
        "document.querySelector('#queue li[data-state=parked] .why')?.textContent.includes('name')",
    );
    keep_picture(&browser, "page-refused.png");
    browser
        .wait("document.querySelector('#customers tr').cells[0].textContent === 'Ada Lindqvist'");
    browser.click("#queue li .decide button:last-child");
    browser.wait("document.querySelectorAll('#queue li').length === 0");
}

#[test]
fn marks_on_what_is_new_go_after_their_time() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    browser.open(&format!("http://{}/", demo.address));
    browser.wait("document.querySelectorAll('.metric').length >= 9");
    let updating = duration_of_mark(&browser, ".metric", "updating");
    assert!((350.0..2_000.0).contains(&updating), "{updating} ms");
    browser.wait("document.querySelectorAll('#customers tr').length === 10");
    browser.run("document.querySelector('#customers [data-command=delete]').click()");
    let new = duration_of_mark(&browser, "#activities li", "new");
    assert!((2_800.0..6_000.0).contains(&new), "{new} ms");
}

#[test]
fn filter_sort_and_pages_ask_the_demos_client() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    browser.open(&format!("http://{}/", demo.address));
    let first = |name: &str| {
        browser.wait(&format!(
            "document.querySelector('#customers tr')?.cells[0].textContent === '{name}'"
        ));
    };
    let range = |text: &str| {
        browser.wait(&format!(
            "document.getElementById('customers-range').textContent === '{text}'"
        ));
    };
    first("Ada Lindqvist");
    range("1\u{2013}10 of 14");
    browser.click("#customers-on");
    range("11\u{2013}14 of 14");
    browser.click("th[data-sort=score] button");
    browser.click("th[data-sort=score] button");
    first("Nora Byrne");
    assert_eq!(
        browser
            .run("return document.querySelector('th[data-sort=score]').getAttribute('aria-sort')"),
        "descending"
    );
    browser.fill("#customer-search", "an");
    range("1\u{2013}4 of 4");
    browser.run("const status = document.getElementById('customer-status'); status.value = 'lead'; status.dispatchEvent(new Event('change'))");
    range("1\u{2013}1 of 1");
    first("Chiara Fontana");
}

/// The text that a script has put into an element.
fn text(browser: &Browser, selector: &str, text: &str) {
    browser.wait(&format!(
        "document.querySelector('{selector}')?.textContent === '{text}'"
    ));
}

/// A page of a demo with its first customers.
fn opened(browser: &Browser, demo: &Demo) {
    browser.open(&format!("http://{}/", demo.address));
    browser.wait("document.querySelectorAll('#customers tr').length === 10");
}

#[test]
fn everything_a_page_loads_comes_from_the_demo_and_every_list_says_how_far_it_is_trusted() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    for list in ["metrics", "customers", "processes", "activities"] {
        text(&browser, &format!("[data-trust-of={list}]"), "live");
    }
    let foreign = browser.run(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)
           .filter((name) => new URL(name).origin !== location.origin)",
    );
    assert_eq!(foreign, serde_json::json!([]));
}

#[test]
fn an_edit_sends_only_what_was_changed_and_a_save_pressed_twice_saves_once() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    browser.click("#customers tr:first-child [data-command=edit]");
    // Somebody else changes the city while the dialog is open.
    demo.post(
        "/api/write",
        &serde_json::json!({"name": "update", "id": "c-1", "fields": {"city": "Lund"}}),
    );
    text(&browser, "#customers tr td:nth-child(2)", "Lund");
    browser.fill("#customer-score", "7");
    browser.click("#customer-save");
    text(&browser, "#customers tr td:nth-child(4)", "7");
    text(&browser, "#customers tr td:nth-child(2)", "Lund");
    browser.wait("!document.getElementById('customer-dialog').open");

    browser.click("#customer-new");
    browser.fill("#customer-name", "Aaron");
    browser.run("const form = document.getElementById('customer-form'); form.requestSubmit(); form.requestSubmit()");
    browser.wait("!document.getElementById('customer-dialog').open");
    browser.wait("document.getElementById('queue-counts').textContent === 'none'");
    text(&browser, "#customers-range", "1\u{2013}10 of 15");
}

#[test]
fn a_customer_is_made_without_status_and_score_and_loses_them_by_emptying_the_form() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    let save_empty = || {
        browser.run(
            "document.getElementById('customer-edit-status').value = '';
             document.getElementById('customer-score').value = '';
             document.getElementById('customer-save').click()",
        );
        browser.wait("!document.getElementById('customer-dialog').open");
        browser.wait("document.getElementById('queue-counts').textContent === 'none'");
        text(&browser, "#customers tr td:nth-child(3)", "");
        text(&browser, "#customers tr td:nth-child(4)", "");
    };
    browser.click("#customers tr:first-child [data-command=edit]");
    save_empty();
    browser.click("#customer-new");
    browser.fill("#customer-name", "Aaron");
    save_empty();
    text(&browser, "#customers tr td:nth-child(1)", "Aaron");
    // The form says what the customer has, and what is not changed is not written.
    browser.click("#customers tr:first-child [data-command=edit]");
    let shown = "return document.getElementById('customer-edit-status').value
        + document.getElementById('customer-score').value";
    assert_eq!(browser.run(shown), "");
    browser.fill("#customer-city", "Oslo");
    save_empty();
    text(&browser, "#customers tr td:nth-child(2)", "Oslo");
}

#[test]
fn a_page_that_lost_its_demo_says_so_and_comes_back_with_it() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    says_that_the_demo_is_lost(&browser, Demo::start());
}

fn says_that_the_demo_is_lost(browser: &Browser, mut demo: Demo) {
    opened(browser, &demo);
    status(browser, "Live");
    demo.stop();
    status(browser, "No demo");
    browser.wait("!document.getElementById('lost').hidden");
    // What is asked meanwhile is not done, and that is said.
    browser.run("document.querySelector('#customers [data-command=delete]').click()");
    browser.wait("document.getElementById('fault').textContent.includes('cannot be reached')");
    demo.start_again();
    status(browser, "Live");
    browser.wait("document.getElementById('lost').hidden");
}

#[test]
fn a_page_that_is_not_seen_keeps_no_connection_and_is_up_to_date_when_it_is_seen_again() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    let seen = |hidden: bool| {
        browser.run(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    seen(true);
    // All places for tabs can be had, so the page holds none.
    let mut tabs = Vec::new();
    let started = Instant::now();
    while tabs.len() < TABS {
        assert!(started.elapsed() < DEADLINE, "only {} places", tabs.len());
        tabs.extend(Events::open(&demo.address));
    }
    drop(tabs);
    demo.post(
        "/api/write",
        &serde_json::json!({"name": "update", "id": "c-1", "fields": {"city": "Lund"}}),
    );
    seen(false);
    text(&browser, "#customers tr td:nth-child(2)", "Lund");
}

#[test]
fn the_last_of_several_choices_made_at_once_is_the_one_shown() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    last_choice_is_shown(&browser);
}

fn last_choice_is_shown(browser: &Browser) {
    browser.run(
        "const status = document.getElementById('customer-status');
         for (const value of ['lead', 'active', 'lead', 'paused', 'active', 'paused']) {
           status.value = value;
           status.dispatchEvent(new Event('change'));
         }",
    );
    text(browser, "#customers-range", "1\u{2013}2 of 2");
    // A choice does not outlive the page it was made on, also where a browser restores what was typed.
    browser.reload();
    text(browser, "#customers-range", "1\u{2013}10 of 14");
    assert_eq!(
        browser.run("return document.getElementById('customer-status').value"),
        ""
    );
}

#[test]
fn a_narrow_page_does_not_scroll_sideways() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    browser.wait("document.querySelectorAll('#processes tr').length > 0");
    for width in [320, 360, 400, 768] {
        browser.resize(width, 900);
        browser.wait(&format!("innerWidth === {width}"));
        let wide = browser.run("return document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= width, "{wide} at {width}");
        if width == 360 {
            keep_picture(&browser, "page-narrow.png");
        }
    }
}

/// What is wider than its place, and so cut.
const CUT: &str =
    "return [...document.querySelectorAll('.customers th, .customers td, #status-reason')]
    .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent)";

#[test]
fn on_every_width_customers_and_reasons_are_whole_and_nothing_hides_under_the_bar() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    browser.click("#switch");
    status(&browser, "Offline");
    let write = serde_json::json!({"name": "update", "id": "c-1", "fields": {"score": 100}});
    demo.post("/api/write", &write);
    browser.wait("document.querySelector('#customers .pending')");
    browser.wait("document.querySelectorAll('#customers tr').length === 10");
    for width in [320, 360, 640, 980, 1280] {
        browser.resize(width, 600);
        browser.wait(&format!("innerWidth === {width}"));
        assert_eq!(browser.run(CUT), serde_json::json!([]), "at {width}");
        let seen = "const title = document.getElementById('processes-title');
            title.scrollIntoView({ behavior: 'instant' });
            return title.getBoundingClientRect().top - document.querySelector('.bar').getBoundingClientRect().bottom";
        let below = browser.run(seen).as_f64().unwrap();
        assert!(below >= 0.0, "{below} at {width}");
    }
}

#[test]
fn writes_on_their_way_are_readable_and_say_how_many_more_there_are() {
    let Some(browser) = Browser::chromium() else {
        return lacking(LACK);
    };
    let demo = Demo::start();
    opened(&browser, &demo);
    browser.click("#switch");
    status(&browser, "Offline");
    let write = |write: serde_json::Value| demo.post("/api/write", &write);
    let made = write(serde_json::json!({"name": "create", "fields": {"name": "Zoe"}}));
    write(serde_json::json!({"name": "update", "id": made["id"], "fields": {"score": 9}}));
    browser.wait("document.querySelectorAll('#queue li').length === 2");
    let shown = browser.run(
        "return [...document.querySelectorAll('#queue .what')].map((what) => what.textContent)",
    );
    assert_eq!(shown, serde_json::json!(["create Zoe", "update Zoe"]));
    assert_eq!(
        browser.run("return document.getElementById('queue-more').hidden"),
        true
    );
    // One that is gone from the list is still known by its name.
    browser.run("document.querySelector('#customers [data-command=delete]').click()");
    text(
        &browser,
        "#queue li:nth-child(3) .what",
        "delete Ada Lindqvist",
    );
    for score in 0..59 {
        write(serde_json::json!({"name": "update", "id": "c-2", "fields": {"score": score}}));
    }
    text(&browser, "#queue-more", "and 12 more");
    browser.wait("!document.getElementById('queue-more').hidden");
}
