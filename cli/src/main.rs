//! `contacts`: serves the client-contact API on this machine.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use contacts::keys;
use contacts::sample;
use contacts::seed;
use contacts::serve::{self, Options};
use shared::app::log_filter;
use shared::listing::ListConfig;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The client-contact API on this machine.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (what is done without a command, too)
    Serve(Options),
    /// Administer API keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Fill a tenant with made-up contacts
    Seed(seed::Options),
    /// Add the API key and the contacts that the events in events/ name, for `sam local invoke`
    Sample(sample::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return error.print().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        Err(error) => {
            let whole = error.to_string();
            let sentence = whole.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
            eprintln!("{sentence}; see `contacts --help`.");
            return ExitCode::from(2);
        }
    };
    log_to_stderr();
    let done = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(options) => serve(options).await,
        Command::Keys(command) => administer(command).await,
        Command::Seed(options) => seed(options).await,
        Command::Sample(options) => sample(options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command on keys and prints what it says.
async fn administer(command: keys::Command) -> Result<(), Box<dyn std::error::Error>> {
    let said = keys::run(command).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Fills a tenant and prints how many contacts that were.
async fn seed(options: seed::Options) -> Result<(), Box<dyn std::error::Error>> {
    let said = seed::run(options).await?;
    Ok(writeln!(io::stdout(), "{said}")?)
}

/// Stores what the events need and says so.
async fn sample(options: sample::Options) -> Result<(), Box<dyn std::error::Error>> {
    let said = sample::run(options).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Serves until a signal says stop.
async fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options { list: ListConfig::from_env()?, ..options };
    // Listening for signals before anything is started: none may come too early.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut running = tokio::select! {
        started = serve::start(options) => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    // Whoever started this program may have closed its output, which is no reason to stop.
    writeln!(io::stdout(), "{}", running.greeting()).ok();
    tokio::select! {
        () = running.wait() => return Err("The API stopped by itself; the log says why.".into()),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// One line for each event, on the standard error.
fn log_to_stderr() {
    // The functions' own lines say in other words what the gateway's do, the engine warns of each condition that fails, and what
    // stops the AWS configuration is in the sentence that this program ends with.
    let quieter = ["dynoxide=error", "aws_config=error", "aws_runtime=error"].map(str::parse);
    let filter = quieter.into_iter().flatten().fold(log_filter("info,shared=warn"), EnvFilter::add_directive);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
}
