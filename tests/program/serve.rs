//! `contacts serve`

use std::fs;
use std::net::TcpListener;

use futures::future::join_all;
use reqwest::Method;
use tempfile::tempdir;
use testkit::{Finished, contact, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::contacts;

/// A program that did not start says so in one sentence.
#[track_caller]
fn sentence(finished: &Finished) -> &str {
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert_eq!(finished.output, "");
    assert_eq!(finished.errors.lines().count(), 1, "{}", finished.errors);
    finished.errors.trim_end()
}

#[tokio::test]
async fn it_says_that_it_is_ready_and_what_is_where() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = contacts().serve(&data).start_serving().await;

    let greeting = serving.ready.replace(&serving.url, "<url>").replace(data.to_str().unwrap(), "<data>");
    insta::assert_snapshot!(greeting, @r"
    The client-contact API is ready at <url>
      contacts   <url>/ is a page to see and change them
      reference  <url>/docs has every call, to try
      data       in the folder <data>
      API key    requests without one act with that in <data>/development.key; `contacts keys create --help` says how to make more
      try        curl '<url>/client-contact?per_page=5'
    ");
    assert_eq!(serving.caller(None).list("per_page=5").await.total(), 0);

    let finished = serving.signal("TERM").await;
    assert_eq!((finished.code, finished.output.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn serving_is_what_it_does_without_a_command() {
    let serving = contacts().with(&["--port", "0", "--memory"]).start_serving().await;

    serving.caller(None).add(contact()).await;

    assert_eq!(serving.signal("INT").await.code, Some(0));
}

#[tokio::test]
async fn both_paths_are_served_and_others_are_not_found() {
    let serving = contacts().with(&["serve", "--port", "0", "--memory"]).start_serving().await;
    let caller = serving.caller(None);
    let id = caller.add(contact()).await.id();

    for (path, status) in [
        (format!("/client-contact/{id}"), 200),
        (format!("/v1/client-contact/{id}"), 200),
        ("/v1/client-contact".to_owned(), 200),
        ("/nowhere".to_owned(), 404),
        ("/v2/client-contact".to_owned(), 404),
    ] {
        let answer = caller.request(Method::GET, &path).send().await;
        assert_eq!(answer.status, status, "{path}");
        if status == 404 {
            assert_eq!(answer.text(), r#"{"message":"Not Found"}"#);
        }
    }
}

#[tokio::test]
async fn every_request_is_a_line_of_the_log_that_a_person_can_read() {
    let folder = tempdir().unwrap();
    let serving = contacts().serve(folder.path()).start_serving().await;
    let caller = serving.caller(None);
    let id = caller.add(contact().name("Jane")).await.id();
    caller.get(&id).await.expect(200);
    caller.list("search=jane&email=jane@example.com").await.expect(200);
    caller.request(Method::GET, "/nowhere?name=jane").send().await.expect(404);

    let errors = serving.signal("TERM").await.errors;

    // What differs from run to run is left out.
    let is_number = |word: &str| word.trim_end_matches(',').parse::<f64>().is_ok();
    let without_numbers = |line: &str| {
        let words = line.replace(&id, "<id>");
        let (call, cost) = words.split_once(" in ").unwrap();
        let cost =
            cost.split(' ').map(|word| if is_number(word) { word.replace(|letter| letter != ',', "") } else { word.to_owned() });
        format!("{} in {}", call.trim(), cost.collect::<Vec<_>>().join(" "))
    };
    let lines: Vec<_> = errors.lines().map(|line| without_numbers(line.split_once("INFO ").unwrap().1)).collect();
    let expected = [
        "POST /client-contact 201 in  ms, requests to DynamoDB: , units: ",
        "GET /client-contact/<id> 200 in  ms, requests to DynamoDB: , units: ",
        "GET /client-contact 200 in  ms, requests to DynamoDB: , units: ",
        "GET /nowhere 404 in  ms",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");

    let api = contacts().with(&["serve", "--port", &port, "--data", data.to_str().unwrap()]).run().await;
    assert!(!data.exists());
    let engine = contacts().with(&["serve", "--port", "0", "--dynamodb-port", &port, "--memory"]).run().await;

    insta::assert_snapshot!(sentence(&api).replace(&port, "<port>"), @"Port <port> cannot be used (Address already in use (os error 98)): choose another one with --port, 0 for any free port.");
    insta::assert_snapshot!(sentence(&engine).replace(&port, "<port>"), @"127.0.0.1:<port> cannot be used for DynamoDB (Address already in use (os error 98)): choose another port with --dynamodb-port, 0 for any free port, or another address with --dynamodb-listen.");
}

#[tokio::test]
async fn a_wrong_command_line_says_what_would_be_right() {
    for (arguments, expected) in [
        (&["serve", "--prot", "1"][..], &["unexpected argument '--prot' found", "a similar argument exists: '--port'"][..]),
        (&["serve", "--port", "99999"], &["invalid value '99999' for '--port <PORT>': 99999 is not in 0..=65535"]),
        (&["serve", "--memory", "--data", "x"], &["the argument '--memory' cannot be used with '--data <DIR>'"]),
        (
            &["serve", "--dynamodb-endpoint", "nowhere"],
            &["'nowhere' for '--dynamodb-endpoint <URL>': it must begin with http:// or https:// and name a host"],
        ),
        (&["sevre"], &["unrecognized subcommand 'sevre'", "a similar subcommand exists: 'serve'"]),
        (&["keys"], &["Create, list and revoke API keys", "Usage: ", "create  ", "list  ", "revoke  "]),
        (&["keys", "crate"], &["a similar subcommand exists: 'create'"]),
    ] {
        let finished = contacts().with(arguments).run().await;

        assert_eq!((finished.code, finished.output.as_str()), (Some(2), ""), "{finished:?}");
        for part in expected {
            assert!(finished.errors.contains(part), "{part:?} is not in {}", finished.errors);
        }
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_one_sentence() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let garbage = folder.path().join("garbage");
    fs::create_dir(&garbage).unwrap();
    fs::write(garbage.join("contacts.db"), "no database, but long enough to look at. ".repeat(100)).unwrap();
    let used = folder.path().join("used");
    let first = contacts().serve(&used).start_serving().await;

    for (data, expected) in [
        (&file, "The data folder <data> cannot be used: File exists (os error 17)."),
        (&file.join("below"), "The data folder <data> cannot be used: Not a directory (os error 20)."),
        (&used, "The data folder <data> is in use by another `contacts serve`."),
        (
            &garbage,
            "The database <data>/contacts.db is damaged: restore its folder from a backup, or move the folder away to start with an empty one.",
        ),
    ] {
        let finished = contacts().serve(data).run().await;
        assert_eq!(finished.code, Some(3), "{finished:?}");
        assert_eq!(sentence(&finished).replace(data.to_str().unwrap(), "<data>"), expected);
    }
    first.caller(None).add(contact()).await;
}

#[tokio::test]
async fn contacts_and_the_key_survive_a_restart() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("made/on/the/way");
    let first = contacts().serve(&data).start_serving().await;
    let caller = first.caller(None);
    let kept = caller.add(contact().name("kept")).await;
    let deleted = caller.add(contact().name("deleted")).await.id();
    caller.delete(&deleted).await.expect(200);
    let kept = caller.put(kept.id(), serde_json::json!({"title": "Director"})).await.expect(200).contact();
    let key = fs::read_to_string(data.join("development.key")).unwrap();
    assert_eq!(first.signal("TERM").await.code, Some(0));

    let second = contacts().serve(&data).start_serving().await;

    for caller in [second.caller(None), second.caller(Some(key.trim()))] {
        assert_eq!(caller.list("").await.contacts(), std::slice::from_ref(&kept));
        assert_eq!(caller.get(&deleted).await.status, 404);
    }
    assert_eq!(second.caller(Some("another")).list("").await.refusal(), "401 Invalid API key");
}

#[tokio::test]
async fn with_require_key_every_request_needs_one() {
    let folder = tempdir().unwrap();
    let serving = contacts().serve(folder.path()).with(&["--require-key"]).start_serving().await;
    let key = fs::read_to_string(folder.path().join("development.key")).unwrap();

    assert_eq!(serving.caller(None).list("").await.refusal(), "401 Authentication required");
    assert_eq!(serving.caller(Some(key.trim())).list("").await.total(), 0);
}

#[tokio::test]
async fn two_programs_can_share_one_dynamodb() {
    let folder = tempdir().unwrap();
    let first = contacts().serve(folder.path()).with(&["--dynamodb-port", "0"]).start_serving().await;
    let endpoint = fs::read_to_string(folder.path().join("endpoint")).unwrap();
    assert!(first.ready.contains(&format!("  DynamoDB   {endpoint}\n")), "{}", first.ready);
    let created = first.caller(None).add(contact()).await;

    let second = contacts().with(&["serve", "--port", "0", "--dynamodb-endpoint", &endpoint]).start_serving().await;

    assert_eq!(second.caller(None).list("").await.contacts(), [created]);
}

#[tokio::test]
async fn it_stops_though_clients_hold_their_connections() {
    let serving = contacts().with(&["serve", "--port", "0", "--memory"]).start_serving().await;
    let address = serving.url.strip_prefix("http://").unwrap();
    serving.caller(None).list("").await.expect(200);
    let _idle = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"POST /client-contact HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").await.unwrap();

    assert_eq!(serving.signal("TERM").await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_are_answered_before_it_stops() {
    let folder = tempdir().unwrap();
    let serving = contacts().serve(folder.path()).start_serving().await;
    let caller = serving.caller(None);
    let creating = tokio::spawn({
        let caller = caller.clone();
        async move {
            let requests = (0..50).map(|number| {
                caller.request(Method::POST, "/client-contact").json(&contact().name(&number.to_string())).try_send()
            });
            join_all(requests).await.into_iter().filter_map(Result::ok).filter(|answer| answer.status == 201).count()
        }
    });
    eventually("the first contact", async || (caller.list("").await.total() > 0).then_some(())).await;

    assert_eq!(serving.signal("TERM").await.code, Some(0));
    let acknowledged = creating.await.unwrap() as u64;
    let total = contacts().serve(folder.path()).start_serving().await.caller(None).list("").await.total();

    // Whoever was connected got an answer, and what was not answered was not done.
    assert_eq!(total, acknowledged);
}

#[tokio::test]
async fn in_memory_it_leaves_no_file() {
    let folder = tempdir().unwrap();
    let serving = contacts().with(&["serve", "--port", "0", "--memory"]).within(folder.path()).start_serving().await;

    serving.caller(None).add(contact()).await;
    serving.signal("TERM").await;

    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn help_and_version_are_no_errors() {
    for argument in ["--help", "--version"] {
        let finished = contacts().with(&[argument]).run().await;

        assert_eq!((finished.code, finished.errors.as_str()), (Some(0), ""));
        assert!(!finished.output.is_empty());
    }
}
