//! A function with a defect, built and started like those that ship: it panics when the path names the contact `panic`.

use lambda_http::http::StatusCode;
use shared::call::Call;
use shared::envelope::Response;
use shared::error::Error;
use shared::store::Store;

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run(handle).await
}

async fn handle(_: Store, call: Call) -> Result<Response, Error> {
    assert_ne!(call.id.as_deref(), Some("panic"), "the defect");
    let mut response = Response::new("{}".to_owned());
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}
