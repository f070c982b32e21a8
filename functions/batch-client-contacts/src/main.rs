//! Answers `POST /client-contact/batch`.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run(batch_client_contacts::handle).await
}
