//! What is logged.

use tracing_subscriber::EnvFilter;

/// What is logged: `RUST_LOG`, or else `default`. The HTTP and AWS crates log bodies and keys below the level of a warning, so
/// they stay there whatever `RUST_LOG` says.
pub fn log_filter(default: &str) -> EnvFilter {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter =
        EnvFilter::try_new(if wanted.is_empty() { default } else { &wanted }).unwrap_or_else(|_| EnvFilter::new(default));
    [
        "aws_config",
        "aws_runtime",
        "aws_sdk_dynamodb",
        "aws_smithy_http_client",
        "aws_smithy_runtime",
        "aws_smithy_runtime_api",
        "dynoxide",
        "h2",
        "hyper",
        "hyper_util",
        "lambda_runtime",
        "rustls",
    ]
    .into_iter()
    .filter_map(|name| format!("{name}=warn").parse().ok())
    .fold(filter, EnvFilter::add_directive)
}
