//! Answers `GET /client-contact/{id}`.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run(get_client_contact::handle).await
}
