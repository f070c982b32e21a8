//! Answers `PUT /client-contact/{id}`.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::app::run(update_client_contact::handle).await
}
