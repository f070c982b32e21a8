//! What is logged, and in which form a function logs it.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::metrics;

/// Starts a function's log, one JSON object a line. The line of each call is logged whatever `RUST_LOG` says, because the metrics come from it.
pub fn log_as_function() {
    let always: Option<Directive> = format!("{}=info", metrics::TARGET).parse().ok();
    let filter = always.into_iter().fold(log_filter("info"), EnvFilter::add_directive);
    let log = tracing_subscriber::fmt().json().with_env_filter(filter).without_time().with_current_span(true);
    log.map_event_format(FunctionFormat).init();
}

/// The line of a call as it is, and everything else as the JSON format has it.
struct FunctionFormat(Format<Json, ()>);

impl<S, N> FormatEvent<S, N> for FunctionFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() != metrics::TARGET {
            return self.0.format_event(context, writer, event);
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        writeln!(writer, "{}", line.0)
    }
}

/// The field `line` of an event.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "line" {
            self.0 = format!("{value:?}");
        }
    }
}

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
