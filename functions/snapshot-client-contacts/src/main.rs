//! Builds snapshots, for changes in the table's stream and for the schedule.

/// Starts the function under the Lambda runtime.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::function::run_job(snapshot_client_contacts::handle).await
}
