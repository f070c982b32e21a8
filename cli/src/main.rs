//! `contacts`: serves the client-contact API on this machine.
//!
//! Its exit code is 0 when it finished or was asked to stop, 1 when it failed, 2 when the command line is wrong, 3 when the data
//! folder or DynamoDB cannot be used, and 4 when some rows of an import, or some contacts of an export, were left out.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use contacts::engine::EngineError;
use contacts::export::{self, ExportError};
use contacts::help;
use contacts::import::{self, ImportError};
use contacts::keys::{self, KeysError};
use contacts::migrate::{self, MigrateError};
use contacts::openapi;
use contacts::reset::{self, ResetError};
use contacts::sample;
use contacts::seed::{self, SeedError};
use contacts::serve::{self, Options, ServeError};
use contacts::snapshots::{self, SnapshotOptions, SnapshotsError};
use shared::listing::ListConfig;
use shared::log::log_filter;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The exit code when the data folder or DynamoDB cannot be used.
const DATABASE_UNUSABLE: u8 = 3;

/// The exit code when the command line does not go with what it names.
const USAGE: u8 = 2;

/// The exit code when everything was done but for some rows or contacts.
const SOME_LEFT_OUT: u8 = 4;

/// Serves the client-contact API on this machine, and administers it here and in AWS.
#[derive(Parser)]
#[command(name = "contacts", bin_name = "contacts", version, args_conflicts_with_subcommands = true, after_help = help::short(), after_long_help = help::long())]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default command)
    #[command(after_help = help::SERVE)]
    Serve(Options),
    /// Create, list and revoke API keys
    #[command(subcommand, after_help = help::KEYS)]
    Keys(keys::Command),
    /// Add made-up contacts to a tenant
    Seed(seed::Options),
    /// Import contacts from JSON Lines or CSV
    #[command(after_help = help::IMPORT)]
    Import(Box<import::Options>),
    /// Export all contacts of a tenant as JSON Lines or CSV
    #[command(after_help = help::EXPORT)]
    Export(export::Options),
    /// Add the API key and the contacts that the events in events/ name, for `sam local invoke`
    Sample(sample::Options),
    /// List, build and delete the snapshots from which lists start
    #[command(subcommand, after_help = help::SNAPSHOTS)]
    Snapshots(snapshots::Command),
    /// Let lists of a tenant be loaded anew, after a restore or a script changed its contacts
    Reset(reset::Options),
    /// Give contacts of an earlier version what finds them by their external ids
    Migrate(migrate::Options),
    /// Print the API's OpenAPI document
    Openapi,
    /// Print a script that completes commands and options in a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// Shell that the script is for
        shell: Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are errors for clap too, with exit code 0.
        Err(error) => {
            let code = u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
            return error.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    log_to_stderr();
    let done = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(options) => serve(options).await.map(|()| ExitCode::SUCCESS),
        Command::Keys(command) => administer(command).await.map(|()| ExitCode::SUCCESS),
        Command::Seed(options) => seed(options).await.map(|()| ExitCode::SUCCESS),
        Command::Import(options) => import(*options).await,
        Command::Export(options) => export(options).await,
        Command::Sample(options) => sample(options).await.map(|()| ExitCode::SUCCESS),
        Command::Snapshots(command) => look_after_snapshots(command).await.map(|()| ExitCode::SUCCESS),
        Command::Reset(options) => reset(options).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(options) => migrate(options).await.map(|()| ExitCode::SUCCESS),
        Command::Openapi => print_document().map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => complete(shell).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        if is_database_unusable(&*error) {
            ExitCode::from(DATABASE_UNUSABLE)
        } else if is_usage(&*error) {
            ExitCode::from(USAGE)
        } else {
            ExitCode::FAILURE
        }
    })
}

/// Whether a command failed because its options do not go with what they name.
fn is_usage(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(ImportError::is_usage) || error.downcast_ref().is_some_and(ExportError::is_usage)
}

/// Whether a command failed because its data folder or DynamoDB cannot be used.
fn is_database_unusable(error: &(dyn Error + 'static)) -> bool {
    let is_database = |error: &EngineError| !matches!(error, EngineError::Address { .. } | EngineError::Thread(_));
    if let Some(ResetError::Open(error)) = error.downcast_ref() {
        return error.is_database();
    }
    if let Some(MigrateError::Open(error)) = error.downcast_ref() {
        return error.is_database();
    }
    if let Some(error) = error.downcast_ref::<ImportError>() {
        return error.is_database();
    }
    if let Some(error) = error.downcast_ref::<ExportError>() {
        return error.is_database();
    }
    if let Some(SnapshotsError::Engine(error)) = error.downcast_ref() {
        return is_database(error);
    }
    match (error.downcast_ref(), error.downcast_ref(), error.downcast_ref()) {
        (Some(ServeError::Engine(error)), _, _)
        | (_, Some(KeysError::Engine(error)), _)
        | (_, _, Some(SeedError::Engine(error))) => is_database(error),
        (Some(ServeError::Table { .. } | ServeError::DevelopmentKey(_)), _, _)
        | (_, Some(KeysError::Table(_) | KeysError::Refused(_)), _)
        | (_, _, Some(SeedError::Table(_) | SeedError::Refused { .. })) => true,
        _ => false,
    }
}

/// Runs a command on keys and prints its output.
async fn administer(command: keys::Command) -> Result<(), Box<dyn Error>> {
    let said = keys::run(command).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Runs a command on snapshots and prints its output.
async fn look_after_snapshots(command: snapshots::Command) -> Result<(), Box<dyn Error>> {
    let said = snapshots::run(command).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Fills a tenant and prints the number of contacts.
async fn seed(options: seed::Options) -> Result<(), Box<dyn Error>> {
    let said = seed::run(options).await?;
    Ok(writeln!(io::stdout(), "{said}")?)
}

/// Imports a file and prints what was done.
async fn import(options: import::Options) -> Result<ExitCode, Box<dyn Error>> {
    let summary = import::run(options).await?;
    if !summary.is_printed {
        writeln!(io::stdout(), "{summary}")?;
    }
    Ok(left_out(summary.refused))
}

/// Exports contacts and prints how many to the standard error, because the contacts may go to the standard output.
async fn export(options: export::Options) -> Result<ExitCode, Box<dyn Error>> {
    let exported = export::run(options).await?;
    writeln!(io::stderr(), "{exported}")?;
    Ok(left_out(exported.malformed))
}

/// The exit code of a command that left out so many rows or contacts.
fn left_out(count: u64) -> ExitCode {
    if count == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_LEFT_OUT) }
}

/// Stores what the events need and prints that.
async fn sample(options: sample::Options) -> Result<(), Box<dyn std::error::Error>> {
    let said = sample::run(options).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Resets a tenant and prints that.
async fn reset(options: reset::Options) -> Result<(), Box<dyn Error>> {
    let said = reset::run(options).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Migrates contacts and prints what was done.
async fn migrate(options: migrate::Options) -> Result<(), Box<dyn Error>> {
    let said = migrate::run(options).await?;
    Ok(io::stdout().write_all(said.as_bytes())?)
}

/// Prints the OpenAPI document.
fn print_document() -> Result<(), Box<dyn Error>> {
    Ok(io::stdout().write_all(openapi::document()?.as_bytes())?)
}

/// Prints the script that completes in a shell.
fn complete(shell: Shell) -> Result<(), Box<dyn Error>> {
    // In memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "contacts", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Serves until a signal stops it.
async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let options = Options { list: ListConfig::from_env()?, snapshots: SnapshotOptions::from_env(), ..options };
    // Signals are handled before anything starts, so that none is missed.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut running = tokio::select! {
        started = serve::start(options) => started?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    // A closed output is no reason to stop.
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
    // The functions' lines repeat the gateway's, the engine warns of each failed condition, and this program's last message has the
    // cause when the AWS configuration fails.
    let quieter = ["dynoxide=error", "aws_config=error", "aws_runtime=error"].map(str::parse);
    let filter = quieter.into_iter().flatten().fold(log_filter("info,shared=warn"), EnvFilter::add_directive);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
}
