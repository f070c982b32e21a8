//! A panic is one call's 500. The instance lives on, as it does in every build: `docs/adr/0015-a-panic-is-one-calls-500.md`.

use testkit::{App, FunctionProcess};

use crate::{environment, event, outcome};

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_the_next_call_is_served() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("acme", &["company1"], "ann").await;
    let binary = testkit::binary("panicking-function", env!("CARGO_BIN_EXE_panicking-function-under-test"));
    let mut function = FunctionProcess::start(&binary, &environment(&app, app.dynamodb_endpoint())).await;

    for (id, expected) in
        [("fine", "200"), ("panic", "500 Internal server error"), ("panic", "500 Internal server error"), ("fine", "200")]
    {
        assert_eq!(outcome(&function.invoke(&event(caller.key.as_deref(), id, None)).await), expected);
    }

    let log = function.log();
    assert_eq!(log.matches("the defect").count(), 2, "{log}");
}
