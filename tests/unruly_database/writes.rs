//! Writes whose answers are lost, whose requests arrive late, or that DynamoDB does not take at once.

use super::*;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::http::HeaderMap as RequestHeaders;
use shared::store::{Answered, Creation, IdempotencyKey, Once, Operation, Store};
use shared::text_field::TextField;

/// The contacts, reached through `trouble`.
async fn store(database: &Database, trouble: &Arc<Trouble>) -> Store {
    database.instance(trouble, patient()).await.app.store.clone()
}

/// The contacts, written to by somebody whose clock is a minute ahead.
fn ahead(database: &Database) -> Store {
    database.running.app.store.clone().with_clock(|| clock::now().plus_millis(60_000))
}

async fn update(store: &Store, id: ObjectId, fields: Value, precondition: &Precondition) -> Result<Contact, Error> {
    let body = ContactBody::for_update(fields.to_string().as_bytes(), &Handling::default()).unwrap();
    store.update(&Meter::default(), &caller(), id, &body, precondition).await
}

fn new_contact() -> Contact {
    let body = ContactBody::for_create(br#"{"name": "created"}"#, &Handling::default()).unwrap();
    let now = clock::now();
    body.into_contact(&caller(), object_id::generate(now), now).unwrap()
}

impl Database {
    async fn there(&self, id: ObjectId) -> Option<Contact> {
        self.running.app.store.get(&Meter::default(), "local", id).await.unwrap()
    }

    async fn entitle(&self, id: ObjectId, title: &str) -> Contact {
        update(&self.running.app.store, id, json!({"title": title}), &Precondition::None).await.unwrap()
    }
}

/// Lets `happening` come before the request number `number` with `operation`, from 1.
fn before_request(
    trouble: &Trouble,
    operation: &'static str,
    number: usize,
    happening: impl Fn() -> BoxFuture<'static, ()> + Send + 'static,
) {
    let mut count = 0;
    trouble.before(move |seen| {
        count += usize::from(seen == operation);
        if seen == operation && count == number { happening() } else { async {}.boxed() }
    });
}

/// Others give the contact `titles`, one after the other, before the request number `number` with UpdateItem.
fn rivals_before_update(trouble: &Trouble, database: &Database, number: usize, id: ObjectId, titles: &'static [&'static str]) {
    rivals_before(trouble, database, "UpdateItem", number, id, titles);
}

/// Others give the contact `titles`, one after the other, before the request number `number` with `operation`.
fn rivals_before(
    trouble: &Trouble,
    database: &Database,
    operation: &'static str,
    number: usize,
    id: ObjectId,
    titles: &'static [&'static str],
) {
    let app = database.running.app.clone();
    before_request(trouble, operation, number, move || {
        let app = app.clone();
        async move {
            for title in titles {
                update(&app.store, id, json!({"title": title}), &Precondition::None).await.unwrap();
            }
        }
        .boxed()
    });
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let instance = database.instance(&trouble, patient()).await;
    let mut lost = Vec::new();
    trouble.distort(move |operation, _, answer| {
        if !lost.iter().any(|lost| lost == operation) {
            lost.push(operation.to_owned());
            *answer = json!({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"});
        }
    });

    let created = create(&instance.app, "before").await;
    let body = ContactBody::for_update(br#"{"name": "after"}"#, &Handling::default()).unwrap();
    let first = Precondition::Versions(vec![0]);
    let updated = instance.app.store.update(&Meter::default(), &caller(), created.id, &body, &first).await;

    assert_eq!(trouble.count("PutItem"), 2);
    assert_eq!(trouble.count("UpdateItem"), 2);
    assert_eq!(updated.unwrap().version, 1);
    assert_eq!(instance.all().await, BTreeMap::from([(created.id, (1, "after".to_owned()))]));
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_does_not_undo_what_others_wrote_since() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;

    for precondition in [Precondition::None, Precondition::Versions(vec![0])] {
        let id = database.create("contact").await.id;
        trouble.fates("UpdateItem", [Fate::AnswerLost]);
        rivals_before_update(&trouble, &database, 2, id, &["theirs"]);

        let updated = update(&store, id, json!({"title": "ours", "phone1": "1"}), &precondition).await.unwrap();

        let there = database.there(id).await.unwrap();
        assert_eq!(
            (there.texts[TextField::Title].as_deref(), there.texts[TextField::Phone1].as_deref(), there.version),
            (Some("theirs"), Some("1"), 2)
        );
        assert_eq!(updated, there, "the answer is the contact as it is, with the change in it");
    }
}

#[tokio::test]
async fn a_first_try_that_arrives_late_undoes_nothing() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let id = database.create("contact").await.id;
    // So that the first request is refused, and the second takes its stamp from what it was shown.
    update(&ahead(&database), id, json!({"title": "before"}), &Precondition::None).await.unwrap();
    trouble.fates("UpdateItem", [Fate::Answered, Fate::Held]);

    let ours = update(&store, id, json!({"title": "ours"}), &Precondition::None).await.unwrap();
    let theirs = database.entitle(id, "theirs").await;
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

    assert_eq!((ours.version, ours.texts[TextField::Title].as_deref()), (2, Some("ours")));
    assert_eq!(effects, [false]);
    assert_eq!(database.there(id).await, Some(theirs));
}

#[tokio::test]
async fn a_first_try_that_arrives_before_the_second_is_the_one_that_counts() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let id = database.create("contact").await.id;
    trouble.fates("UpdateItem", [Fate::Held]);
    let (held, endpoint) = (Arc::clone(&trouble), database.running.dynamodb_endpoint.clone().unwrap());
    before_request(&trouble, "UpdateItem", 2, move || {
        let (held, endpoint) = (Arc::clone(&held), endpoint.clone());
        async move { assert_eq!(held.held_requests_arrive_at(&endpoint).await, [true]) }.boxed()
    });

    let updated = update(&store, id, json!({"title": "ours"}), &Precondition::Versions(vec![0])).await.unwrap();

    assert_eq!(updated.version, 1);
    assert_eq!(database.there(id).await, Some(updated));
}

#[tokio::test]
async fn an_update_below_more_writes_than_a_contact_remembers_is_unknown_and_is_not_repeated() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let id = database.create("contact").await.id;
    trouble.fates("UpdateItem", [Fate::AnswerLost]);
    rivals_before_update(&trouble, &database, 2, id, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]);

    let updated = update(&store, id, json!({"title": "ours"}), &Precondition::None).await;

    assert!(matches!(updated, Err(Error::OutcomeUnknown(_))), "{updated:?}");
    let there = database.there(id).await.unwrap();
    assert_eq!((there.texts[TextField::Title].as_deref(), there.version), (Some("9"), 10));
}

#[tokio::test]
async fn an_update_before_an_import_is_not_repeated_over_it() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let contact = database.create("contact").await;
    trouble.fates("UpdateItem", [Fate::AnswerLost]);
    let (app, imported) = (database.running.app.clone(), contact.clone());
    before_request(&trouble, "UpdateItem", 2, move || {
        let (app, imported) = (app.clone(), imported.clone());
        async move { app.store.import("local", &[imported]).await.unwrap() }.boxed()
    });

    let updated = update(&store, contact.id, json!({"title": "ours"}), &Precondition::None).await.unwrap();

    assert_eq!(
        (updated.version, &updated.texts[TextField::Title]),
        (2, &None),
        "the answer is the contact as it is, after the import"
    );
    assert_eq!(database.there(contact.id).await, Some(updated));
    database.entitle(contact.id, "after").await;
}

#[tokio::test]
async fn a_contact_without_a_register_is_written_to_as_any_other() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let id = database.create("contact").await.id;
    let key = |text: String| AttributeValue::S(text);
    let old = database.running.client.update_item().table_name(&database.running.contacts_table);
    let old = old.key("tenant", key("local".to_owned())).key("_id", key(id.to_string()));
    let old = old.update_expression("SET lastWrite = :w REMOVE w0").expression_attribute_values(":w", key("old".to_owned()));
    old.send().await.unwrap();
    trouble.fates("UpdateItem", [Fate::AnswerLost, Fate::Answered, Fate::AnswerLost]);
    rivals_before_update(&trouble, &database, 2, id, &["theirs"]);

    let first = update(&store, id, json!({"title": "ours"}), &Precondition::None).await.unwrap();
    let second = update(&store, id, json!({"title": "again"}), &Precondition::None).await.unwrap();

    assert_eq!((first.version, first.texts[TextField::Title].as_deref()), (2, Some("theirs")));
    assert_eq!((second.version, second.texts[TextField::Title].as_deref()), (3, Some("again")));
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_answers_with_what_was_created_whatever_became_of_it() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;

    for is_deleted in [false, true] {
        let contact = new_contact();
        trouble.fates("PutItem", [Fate::AnswerLost]);
        let (app, id) = (database.running.app.clone(), contact.id);
        before_request(&trouble, "PutItem", 2, move || {
            let app = app.clone();
            async move {
                rename(&app, id, "renamed").await;
                if is_deleted {
                    delete(&app, id).await;
                }
            }
            .boxed()
        });

        let created = store.create(&Meter::default(), "local", contact.clone()).await.unwrap();

        assert_eq!(created, contact.created(created.created_at));
        let there = database.there(id).await;
        assert_eq!(there.is_none(), is_deleted);
        assert!(there.is_none_or(|there| there.created_at == created.created_at && there.name == "renamed"));
    }
}

#[tokio::test]
async fn a_create_with_a_key_whose_answer_is_lost_makes_one_contact() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let headers = RequestHeaders::from_iter([("idempotency-key".parse().unwrap(), "key".parse().unwrap())]);
    let key = IdempotencyKey::of_request(&headers).unwrap().unwrap();
    trouble.fates("TransactWriteItems", [Fate::AnswerLost, Fate::Answered, Fate::Held]);

    let created = store.create_once(&Meter::default(), "local", new_contact(), &key).await.unwrap();
    let replayed = store.create_once(&Meter::default(), "local", new_contact(), &key).await.unwrap();
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

    let Creation::Created(created) = created else { panic!("{created:?}") };
    assert_eq!(database.there(created.id).await.as_ref(), Some(&created));
    assert_eq!(replayed, Creation::Replayed(created));
    assert_eq!(effects, [false]);
}

#[tokio::test]
async fn writes_that_meet_a_transaction_are_tried_again() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let mut refused = Vec::new();
    trouble.fate(move |operation, request| {
        let write = (operation.to_owned(), request["UpdateExpression"].to_string().contains("REMOVE"));
        if refused.contains(&write) {
            return Fate::Answered;
        }
        refused.push(write);
        Fate::Refused("TransactionConflictException")
    });

    let created = store.create(&Meter::default(), "local", new_contact()).await.unwrap();
    let updated = update(&store, created.id, json!({"title": "new"}), &Precondition::Versions(vec![0])).await.unwrap();
    let deleted = store.delete(&Meter::default(), &caller(), created.id, &Precondition::Versions(vec![1])).await.unwrap();

    assert_eq!(deleted, updated);
    assert_eq!(database.there(created.id).await, None);
    assert_eq!((trouble.count("PutItem"), trouble.count("UpdateItem")), (2, 4));
}

#[tokio::test]
async fn a_delete_whose_answer_is_lost_answers_with_the_contact_where_it_was_shown() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let delete = async |id| store.delete(&Meter::default(), &caller(), id, &Precondition::None).await;
    let (shown, unseen) = (database.create("shown").await.id, database.create("unseen").await.id);

    // The first request is refused for its stamp, and shows the contact.
    let before = update(&ahead(&database), shown, json!({"title": "before"}), &Precondition::None).await.unwrap();
    trouble.fates("UpdateItem", [Fate::Answered, Fate::AnswerLost]);
    assert_eq!(delete(shown).await.unwrap(), before);
    // Nothing of the person is kept, so here nothing can be shown.
    trouble.fates("UpdateItem", [Fate::AnswerLost]);
    let deleted = delete(unseen).await;

    assert!(matches!(deleted, Err(Error::OutcomeUnknown(_))), "{deleted:?}");
    assert!(matches!(delete(unseen).await, Err(Error::ContactNotFound)));
    assert_eq!((database.there(shown).await, database.there(unseen).await), (None, None));
}

#[tokio::test]
async fn unavailable_means_that_nothing_was_changed_and_otherwise_the_outcome_is_unknown() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let before = database.create("before").await;
    let change = async || update(&store, before.id, json!({"title": "ours"}), &Precondition::None).await;

    trouble.fate(|_, _| Fate::Refused("ThrottlingException"));
    let throttled = change().await;
    assert!(matches!(throttled, Err(Error::Unavailable(_))), "{throttled:?}");
    assert_eq!(database.there(before.id).await.as_ref(), Some(&before));

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let unreachable = Store::new(local_client(&endpoint), &database.running.contacts_table);
    let unreachable = update(&unreachable, before.id, json!({"title": "ours"}), &Precondition::None).await;
    assert!(matches!(unreachable, Err(Error::Unavailable(_))), "{unreachable:?}");

    trouble.fate(|_, _| Fate::Held);
    let unanswered = change().await;
    assert!(matches!(unanswered, Err(Error::OutcomeUnknown(_))), "{unanswered:?}");
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;
    assert_eq!(effects.iter().filter(|&&effect| effect).count(), 1, "of all that arrive, one is applied: {effects:?}");
}

#[tokio::test]
async fn a_refusal_after_a_lost_try_is_final_only_when_that_try_cannot_be_applied_any_more() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;

    // Another version came in between, and none of the wanted ones will come again.
    let gone = database.create("contact").await.id;
    trouble.fates("UpdateItem", [Fate::Held]);
    rivals_before_update(&trouble, &database, 2, gone, &["theirs"]);
    let refused = update(&store, gone, json!({"title": "ours"}), &Precondition::Versions(vec![0])).await;
    assert!(matches!(refused, Err(Error::VersionConflict { current: 1 })), "{refused:?}");
    assert_eq!(trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await, [false]);

    // The wanted version is still to come, so that the first try can be applied yet.
    let coming = database.create("contact").await.id;
    trouble.before(|_| async {}.boxed());
    trouble.fates("UpdateItem", [Fate::Held]);
    let refused = update(&store, coming, json!({"title": "ours"}), &Precondition::Versions(vec![1])).await;
    assert!(matches!(refused, Err(Error::OutcomeUnknown(_))), "{refused:?}");
}

/// The answer of a write with a key, or over what was read.
fn done(answered: Result<Answered, Error>) -> Contact {
    match answered.unwrap() {
        Answered::Done(mut contacts) => contacts.remove(0),
        other => panic!("{other:?}"),
    }
}

fn once(key: &str) -> Once {
    let headers = RequestHeaders::from_iter([("idempotency-key".parse().unwrap(), key.parse().unwrap())]);
    Once::new(IdempotencyKey::of_request(&headers).unwrap().unwrap(), &[b"the request"])
}

fn operation(id: ObjectId, fields: Value) -> Operation {
    let body = ContactBody::for_update(fields.to_string().as_bytes(), &Handling::default()).unwrap();
    Operation::Update { id, body: Box::new(body), precondition: Precondition::None, external_id: None }
}

async fn write_all(store: &Store, operations: &[Operation], once: Option<&Once>) -> Result<Answered, Error> {
    store.write_all(&Meter::default(), &caller(), operations, once).await
}

#[tokio::test]
async fn an_update_over_what_was_read_whose_answer_is_lost_is_made_once() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    for (key, write) in [(None, "UpdateItem"), (Some("answer lost"), "TransactWriteItems")] {
        for titles in [&[][..], &["theirs"], &["1", "2", "3", "4", "5", "6", "7"]] {
            let id = database.create("contact").await.id;
            let once = key.map(|key| once(&format!("{key} {}", titles.len())));
            trouble.fates(write, [Fate::AnswerLost]);
            rivals_before(&trouble, &database, "BatchGetItem", 2, id, titles);

            let member = operation(id, json!({"integration_meta.erp": 1, "phone1": "1"}));
            let updated = done(write_all(&store, &[member], once.as_ref()).await);

            let there = database.there(id).await.unwrap();
            assert_eq!((updated.version, updated.texts[TextField::Phone1].as_deref()), (1, Some("1")), "exactly what was made");
            assert_eq!((there.version, there.texts[TextField::Phone1].as_deref()), (1 + titles.len() as u64, Some("1")));
            assert_eq!(there.texts[TextField::Title].as_deref(), titles.last().copied());
            assert_eq!(updated.updated_at == there.updated_at, titles.is_empty());
        }
    }
}

#[tokio::test]
async fn an_update_with_a_key_is_known_however_many_writes_came_since() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let titles = &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    let [with_key, without] = [database.create("with").await.id, database.create("without").await.id];

    trouble.fates("TransactWriteItems", [Fate::AnswerLost]);
    rivals_before(&trouble, &database, "BatchGetItem", 2, with_key, titles);
    let known = done(write_all(&store, &[operation(with_key, json!({"phone1": "1"}))], Some(&once("key"))).await);
    trouble.fates("UpdateItem", [Fate::AnswerLost]);
    rivals_before(&trouble, &database, "BatchGetItem", 2, without, titles);
    let unknown = write_all(&store, &[operation(without, json!({"integration_meta.erp": 1}))], None).await;
    trouble.fates("TransactWriteItems", [Fate::Held]);
    rivals_before(&trouble, &database, "BatchGetItem", 2, without, titles);
    let repeated = done(write_all(&store, &[operation(without, json!({"phone1": "1"}))], Some(&once("other key"))).await);
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

    assert_eq!(known.version, 1);
    assert!(matches!(unknown, Err(Error::OutcomeUnknown(_))), "{unknown:?}");
    assert_eq!((repeated.version, effects), (22, vec![false]), "no record is there, so the first try was not made");
    assert_eq!(database.there(without).await, Some(repeated));
}

#[tokio::test]
async fn of_tries_that_arrive_late_one_is_made() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    for (key, write) in [(None, "UpdateItem"), (Some("late"), "TransactWriteItems")] {
        let id = database.create("contact").await.id;
        let (once, operations) = (key.map(once), [operation(id, json!({"integration_meta.erp": 1}))]);
        trouble.fates(write, [Fate::Held, Fate::Answered]);

        let updated = done(write_all(&store, &operations, once.as_ref()).await);
        let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;

        assert_eq!((updated.version, effects), (1, vec![false]));
        assert_eq!(database.there(id).await, Some(updated));

        // And the other way round: the first comes between the read and the second.
        let id = database.create("contact").await.id;
        let (once, operations) = (once.map(|_| self::once("late, first")), [operation(id, json!({"integration_meta.erp": 1}))]);
        trouble.fates(write, [Fate::Held]);
        let (held, endpoint) = (Arc::clone(&trouble), database.running.dynamodb_endpoint.clone().unwrap());
        before_request(&trouble, write, 2, move || {
            let (held, endpoint) = (Arc::clone(&held), endpoint.clone());
            async move { assert_eq!(held.held_requests_arrive_at(&endpoint).await, [true]) }.boxed()
        });

        let updated = done(write_all(&store, &operations, once.as_ref()).await);

        assert_eq!(updated.version, 1);
        assert_eq!(database.there(id).await, Some(updated));
        trouble.before(|_| async {}.boxed());
    }
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_is_told_by_the_same_request_with_its_key() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    let id = database.create("contact").await.id;
    let (once, operations) = (once("key"), [operation(id, json!({"title": "ours"}))]);

    trouble.fate(|operation, _| if operation == "TransactWriteItems" { Fate::Held } else { Fate::Answered });
    let unknown = write_all(&store, &operations, Some(&once)).await;
    assert!(matches!(unknown, Err(Error::OutcomeUnknown(_))), "{unknown:?}");
    let effects = trouble.held_requests_arrive_at(database.running.dynamodb_endpoint.as_deref().unwrap()).await;
    assert_eq!(effects.iter().filter(|&&effect| effect).count(), 1, "of all that arrive, one is applied: {effects:?}");
    trouble.fate(|_, _| Fate::Answered);
    let repeated = write_all(&store, &operations, Some(&once)).await.unwrap();

    let there = database.there(id).await.unwrap();
    assert_eq!(there.version, 1);
    assert!(matches!(repeated, Answered::Replayed(contacts) if contacts == [Some(there)]));
}

#[tokio::test]
async fn what_others_change_between_read_and_write_is_read_again() {
    let database = Database::start().await;
    let trouble = Arc::<Trouble>::default();
    let store = store(&database, &trouble).await;
    for (key, write) in [(None, "UpdateItem"), (Some("between"), "TransactWriteItems")] {
        let id = database.create("contact").await.id;
        let once = key.map(once);
        let app = database.running.app.clone();
        before_request(&trouble, write, 1, move || {
            let app = app.clone();
            async move {
                let theirs = json!({"integration_meta": {"crm": 1}, "title": "theirs"});
                update(&app.store, id, theirs, &Precondition::None).await.unwrap();
            }
            .boxed()
        });

        let updated = done(write_all(&store, &[operation(id, json!({"integration_meta.erp": 2}))], once.as_ref()).await);

        assert_eq!((updated.version, updated.integration_meta.as_ref().unwrap().raw().get()), (2, r#"{"crm":1,"erp":2}"#));
        assert_eq!(updated.texts[TextField::Title].as_deref(), Some("theirs"));
        assert_eq!(database.there(id).await, Some(updated));
        trouble.before(|_| async {}.boxed());
    }
}
