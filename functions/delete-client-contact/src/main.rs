//! Answers `DELETE /client-contact/{id}`.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run(delete_client_contact::handle).await
}
