//! Answers `PUT /client-contact`.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run(upsert_client_contact::handle).await
}
