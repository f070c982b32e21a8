//! Lists over a change log that is late, throttled or slow: what was acknowledged shows, and what was read is kept.

use super::*;

use shared::timestamp::Timestamp;

const HOUR: i64 = 60 * 60 * 1_000;

impl Instance {
    async fn list_at(&self, now: Timestamp) -> Result<Page, Error> {
        self.app.lists.list(&Meter::default(), &caller(), &query(), now).await
    }

    async fn names_at(&self, now: Timestamp) -> Vec<String> {
        self.list_at(now).await.unwrap().contacts.iter().map(|contact| contact.name.clone()).collect()
    }
}

#[tokio::test]
async fn a_reload_after_half_a_day_that_is_throttled_at_any_request_leaves_no_old_index() {
    let requests = reload_throttled_from(usize::MAX).await;
    assert!(requests > 3, "a reload has several requests");

    join_all((1..=requests).map(reload_throttled_from)).await;
}

/// Reloads an index after 13 hours, in which a contact came and another one went, while the change log refuses everything from that request on.
/// Returns how many requests there were.
async fn reload_throttled_from(refused: usize) -> usize {
    let database = Database::start().await;
    let deleted = database.create("deleted").await;
    for number in 0..6 {
        database.create(&format!("contact {number}")).await;
    }
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig { page_entries: 3, ..ListConfig::default() }).await;
    assert_eq!(instance.all().await.len(), 7);
    database.delete(deleted.id).await;
    database.create("new").await;
    let later = clock::now().plus_millis(13 * HOUR);
    let (before, mut queries) = (trouble.count("Query"), 0);
    trouble.refuse(move |operation| {
        queries += usize::from(operation == "Query");
        operation == "Query" && queries >= refused
    });

    let reloaded = instance.list_at(later).await;
    let requests = trouble.count("Query") - before;
    trouble.nothing_is_refused();

    // Only the last requests, those of a sweep, are ones that a list can do without.
    assert!(if refused == 1 { reloaded.is_err() } else { refused != usize::MAX || reloaded.is_ok() }, "{reloaded:?}");
    assert!(matches!(reloaded, Ok(_) | Err(Error::Unavailable(_))), "{reloaded:?}");
    for seconds in [0, 1, 75] {
        let mut names = instance.names_at(later.plus_millis(seconds * 1_000)).await;
        names.sort();
        let expected: Vec<String> = (0..6).map(|number| format!("contact {number}")).chain(["new".to_owned()]).collect();
        assert_eq!(names, expected, "throttled from request {refused} on, {seconds} s later");
    }
    requests
}

/// A writer whose stamp is seconds old at its landing, because it waited long or its clock is behind.
const LATE_WRITERS: [fn() -> Timestamp; 3] =
    [|| clock::now().plus_millis(-5_500), || clock::now().plus_millis(-6_000), || clock::now().plus_millis(-7_000)];

#[tokio::test]
async fn a_write_whose_stamp_is_seconds_old_shows_within_two_seconds_of_lists() {
    for imported in [0, 60] {
        let database = Database::start().await;
        let imported: Vec<Contact> = (0..imported).map(|number| new_contact(&format!("imported {number}"))).collect();
        database.running.app.store.import("local", &imported).await.unwrap();
        let instance = database.instance(&Arc::default(), ListConfig::default()).await;
        let mut now = clock::now();
        for (before, clock) in LATE_WRITERS.into_iter().enumerate() {
            for _ in 0..20 {
                now = now.plus_millis(100);
                instance.late_ones(now).await;
            }
            let writer = database.running.app.store.clone().with_clock(clock);
            writer.create(&Meter::default(), "local", new_contact("late")).await.unwrap();
            let begin = now.max(clock::now());

            let mut lists = (0..=20).map(|tenths| begin.plus_millis(tenths * 100));
            let shown = loop {
                let Some(moment) = lists.next() else { break None };
                now = moment;
                if instance.late_ones(moment).await > before as u64 {
                    break Some(moment);
                }
            };

            assert!(shown.is_some(), "after an import of {} contacts, stamp {before}", imported.len());
        }
    }
}

#[tokio::test]
async fn a_sweep_that_is_throttled_is_made_again() {
    let database = Database::start().await;
    let imported: Vec<Contact> = (0..60).map(|number| new_contact(&format!("imported {number}"))).collect();
    database.running.app.store.import("local", &imported).await.unwrap();
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig::default()).await;
    instance.late_ones(clock::now()).await;
    let writer = database.running.app.store.clone().with_clock(|| clock::now().plus_millis(-60_000));
    writer.create(&Meter::default(), "local", new_contact("late")).await.unwrap();
    // Sweeps read up to the moment at which they began, everything else reads to the end.
    trouble.fate(|operation, request| {
        let to = request["ExpressionAttributeValues"][":to"]["N"].as_str().and_then(|to| to.parse::<i64>().ok());
        let is_sweep = operation == "Query" && to.is_some_and(|to| to < i64::MAX / 1_000_000);
        if is_sweep { Fate::Refused("ThrottlingException") } else { Fate::Answered }
    });
    let begin = clock::now();
    for tenths in 0..30 {
        assert_eq!(instance.late_ones(begin.plus_millis(tenths * 100)).await, 0, "nothing but a sweep shows it");
    }

    trouble.fate(|_, _| Fate::Answered);

    let mut shown = 0;
    for tenths in 30..=40 {
        shown = instance.late_ones(begin.plus_millis(tenths * 100)).await;
    }
    assert_eq!(shown, 1);
}

#[tokio::test]
async fn what_a_load_has_read_is_kept_when_its_call_ends() {
    let database = Database::start().await;
    let contacts: Vec<Contact> = (0..60).map(|number| new_contact(&format!("contact {number}"))).collect();
    // An hour ago, so that little of it is read a second time.
    let writer = database.running.app.store.clone().with_clock(|| clock::now().plus_millis(-HOUR));
    writer.import("local", &contacts).await.unwrap();
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, ListConfig { page_entries: 3, ..ListConfig::default() }).await;
    // Of ten requests the last is not answered, and the call that waits for it is given up, as its deadline would do it.
    let stuck = Arc::new(tokio::sync::Notify::new());
    let (is_stuck, mut queries) = (Arc::clone(&stuck), 0);
    trouble.before(move |operation| {
        queries += usize::from(operation == "Query");
        let (hangs, is_stuck) = (operation == "Query" && queries % 10 == 0, Arc::clone(&is_stuck));
        async move {
            if hangs {
                is_stuck.notify_one();
                pending::<()>().await;
            }
        }
        .boxed()
    });

    let mut calls = 0;
    let loaded = loop {
        calls += 1;
        tokio::select! {
            loaded = instance.all() => break loaded,
            () = stuck.notified() => {}
        }
        assert!(calls < 40, "each call reads on where the one before it ended");
    };

    assert_eq!(loaded.len(), 60);
    assert!(calls > 1, "no call has read it all");
}

impl Instance {
    /// How many contacts of late writers a list at that moment shows.
    async fn late_ones(&self, now: Timestamp) -> u64 {
        let filter = Filter { names: Some(vec!["late".to_owned()]), ..Filter::default() };
        self.app.lists.list(&Meter::default(), &caller(), &ListQuery { filter, ..query() }, now).await.unwrap().total
    }
}

fn new_contact(name: &str) -> Contact {
    let body = ContactBody::for_create(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    let now = clock::now();
    body.into_contact(&caller(), object_id::generate(now), now).unwrap()
}
