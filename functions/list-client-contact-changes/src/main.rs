//! Answers `GET /client-contact/changes`.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run(list_client_contact_changes::handle).await
}
