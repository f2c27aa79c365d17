//! How servers end when they are asked to, and what connections that are no WebSocket may cost them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::demo::Demo;
use crate::support::DEADLINE;
use crate::support::http::upgrade_status;
use crate::support::program::Program;
use crate::support::serve::{Serve, is_live_with, watch};

/// Well below the half a minute after which HTTP as it comes gives such a request up.
const SOON: Duration = Duration::from_secs(20);

/// A connection on which a request begins and does not go on.
fn half_a_request(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nHos").unwrap();
    stream
}

#[cfg(unix)]
#[test]
fn a_request_that_never_ends_keeps_no_server_from_ending() {
    let serve = Serve::start();
    let demo = Demo::start();
    let _open = [serve.address(), &demo.address].map(half_a_request);
    for (program, _folder) in [serve.into_program(), demo.into_program()] {
        let started = Instant::now();
        program.terminate();
        program.ended().success();
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_again_while_it_ends_ends_at_once() {
    let serve = Serve::start();
    // It has a reason to take its time.
    let _open = half_a_request(serve.address());
    let (mut program, _folder) = serve.into_program();
    while !program.has_ended() {
        program.interrupt();
    }
    let ended = program.ended();
    assert!(ended.failure(1).contains("at once"), "{ended:?}");
}

#[cfg(unix)]
#[test]
fn long_commands_end_well_at_an_interrupt() {
    let serve = Serve::start();
    let watch = serve.watch("customers", &[]);
    watch.find("to be live", |page| is_live_with(page, &[]));
    let demo = Demo::start();
    let (demo, _one) = demo.into_program();
    let (serve, _two) = serve.into_program();
    for program in [watch, demo, serve] {
        program.interrupt();
        // Nor does it tell of the end that it brings about itself.
        let ended = program.ended();
        assert!(
            ended.success().iter().all(|line| !line.contains("stopped")),
            "{ended:?}"
        );
    }
}

#[test]
fn connections_that_ask_for_nothing_are_closed_and_keep_nobody_out() {
    let serve = Serve::start();
    let idle: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(serve.address()).unwrap())
        .collect();
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    for mut stream in idle {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut said = Vec::new();
        // Closed, with or without an answer.
        assert!(stream.read_to_end(&mut said).is_ok(), "{said:?}");
    }
}

#[test]
fn a_page_whose_name_was_made_to_resolve_here_may_not_connect() {
    let serve = Serve::start();
    let own = format!("http://{}", serve.address());
    let ask = |host: &str, origin: &str| upgrade_status(serve.address(), host, origin);
    assert_eq!(ask("evil.net", "http://evil.net"), 403);
    assert_eq!(ask("evil.net:7979", "http://evil.net:7979"), 403);
    assert_eq!(ask(serve.address(), "http://evil.net"), 403);
    assert_eq!(ask(serve.address(), &own), 101);
    assert_eq!(ask(serve.address(), "http://localhost:5173"), 101);
}

#[test]
fn a_server_goes_on_when_nobody_reads_where_it_listens() {
    for arguments in [
        &["demo", "--listen", "127.0.0.1:0"][..],
        &["demo", "--listen", "0.0.0.0:0"],
    ] {
        let (mut program, out) = Program::start_unread(arguments);
        let line = {
            let mut out = std::io::BufReader::new(out);
            let mut line = String::new();
            std::io::BufRead::read_line(&mut out, &mut line).unwrap();
            line
        };
        let address = line.split_once("http://").unwrap().1;
        let address = address.split_once('/').unwrap().0;
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        let watch = watch(&format!("ws://{address}/live"), "customers", &[]);
        watch.find("the customers", |page| page["total_count"] == 14);
        assert!(!program.has_ended());
    }
}

#[test]
fn over_ipv6_it_works_from_end_to_end() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return crate::support::lacking("IPv6");
    }
    let serve = Serve::start_at("[::1]:0");
    assert!(serve.url().starts_with("ws://[::1]:"), "{}", serve.url());
    let watch = serve.watch("customers", &[]);
    watch.find("to be live", |page| is_live_with(page, &[]));
    serve.act(&["create", "customers", r#"{"id":"a"}"#]);
    watch.find("the write", |page| is_live_with(page, &["a"]));
    let everywhere = Serve::start_at("[::]:0");
    assert!(everywhere.url().starts_with("ws://[::1]:"));
    everywhere.act(&["create", "customers", r#"{"id":"a"}"#]);
}
