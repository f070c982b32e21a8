//! The `contacts` program as a process of its own.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::caller::Caller;
use crate::poll::eventually;

/// The program with its arguments and environment.
#[derive(Clone, Debug)]
pub struct Program {
    file: &'static str,
    arguments: Vec<String>,
    folder: Option<PathBuf>,
    log: Option<&'static str>,
    variables: Vec<(&'static str, Option<String>)>,
    open_files: Option<u32>,
    input: Option<Vec<u8>>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output and was not read before.
    pub output: String,
    /// What it wrote to its standard error.
    pub errors: String,
}

/// A program that serves.
#[derive(Debug)]
pub struct Serving {
    /// What it says when it is ready.
    pub ready: String,
    /// Where its API is.
    pub url: String,
    child: Child,
    output: BufReader<ChildStdout>,
    errors: NamedTempFile,
}

impl Program {
    /// The program in this file.
    pub fn new(file: &'static str) -> Program {
        Program { file, arguments: Vec::new(), folder: None, log: None, variables: Vec::new(), open_files: None, input: None }
    }

    /// With these arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Program {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// `serve` on a free port over the contacts in this folder.
    #[must_use]
    pub fn serve(self, data: &Path) -> Program {
        self.with(&["serve", "--port", "0", "--data", data.to_str().expect("a folder's name is text")])
    }

    /// Started in this folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Program {
        Program { folder: Some(folder.to_owned()), ..self }
    }

    /// With this `RUST_LOG`.
    #[must_use]
    pub fn logging(self, log: &'static str) -> Program {
        Program { log: Some(log), ..self }
    }

    /// With this environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: impl Into<String>) -> Program {
        self.variables.push((name, Some(value.into())));
        self
    }

    /// Without this environment variable.
    #[must_use]
    pub fn without_variable(mut self, name: &'static str) -> Program {
        self.variables.push((name, None));
        self
    }

    /// With at most this many open files.
    #[must_use]
    pub fn with_open_files(self, open_files: u32) -> Program {
        Program { open_files: Some(open_files), ..self }
    }

    /// With this on its standard input.
    #[must_use]
    pub fn with_input(self, input: impl Into<Vec<u8>>) -> Program {
        Program { input: Some(input.into()), ..self }
    }

    /// Runs it until it ends.
    pub async fn run(mut self) -> Finished {
        let input = self.input.take();
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let (mut child, output, errors) = self.start_with(stdin);
        if let Some((mut stdin, input)) = child.stdin.take().zip(input) {
            // A program that ends early does not read all of it.
            tokio::spawn(async move { stdin.write_all(&input).await.ok() });
        }
        finish(child, output, &errors).await
    }

    /// Starts it and kills it with SIGKILL as soon as the condition is met.
    pub async fn kill_when(self, what: &str, mut condition: impl AsyncFnMut() -> bool) -> Finished {
        let (mut child, output, errors) = self.start();
        eventually(what, async || condition().await.then_some(())).await;
        // It may have ended by itself.
        child.start_kill().ok();
        finish(child, output, &errors).await
    }

    /// Starts it, and returns when it says that it is ready.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn start_serving(self) -> Serving {
        let (child, mut output, errors) = self.start();
        let mut ready = String::new();
        // A command to try comes last.
        while !ready.contains("curl ") && output.read_line(&mut ready).await.expect("the program's output can be read") > 0 {}
        let url = ready.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
        let Some(url) = url else { panic!("{ready:?} does not say where it serves: {:?}", finish(child, output, &errors).await) };
        Serving { ready, url, child, output, errors }
    }

    /// Starts it and kills it with SIGKILL this time after it has logged `text`.
    ///
    /// # Panics
    /// When it does not log that within a minute.
    pub async fn kill_after(self, text: &str, time: Duration) -> Finished {
        let (mut child, output, errors) = self.start();
        eventually(text, async || read(errors.path()).contains(text).then_some(())).await;
        tokio::time::sleep(time).await;
        // It may have ended by itself.
        child.start_kill().ok();
        finish(child, output, &errors).await
    }

    fn start(self) -> (Child, BufReader<ChildStdout>, NamedTempFile) {
        self.start_with(Stdio::null())
    }

    fn start_with(self, stdin: Stdio) -> (Child, BufReader<ChildStdout>, NamedTempFile) {
        let errors = NamedTempFile::new().expect("a file for the standard error");
        let mut command = match self.open_files {
            None => Command::new(self.file),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\""), self.file]);
                shell
            }
        };
        command.args(self.arguments).env_remove("RUST_LOG").envs(self.log.map(|log| ("RUST_LOG", log)));
        for (name, value) in self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(errors.reopen().expect("the file is there"));
        let mut child = command.kill_on_drop(true).spawn().expect("the program can be started");
        let output = child.stdout.take().expect("its output is piped");
        (child, BufReader::new(output), errors)
    }
}

impl Serving {
    /// A caller of its API, with this key.
    pub fn caller(&self, key: Option<&str>) -> Caller {
        Caller {
            http: reqwest::Client::new(),
            url: self.url.clone(),
            key: key.map(str::to_owned),
            tenant: "local".to_owned(),
            namespaces: vec!["company1".to_owned()],
            user: Value::Null,
        }
    }

    /// The process's id.
    pub fn process(&self) -> u32 {
        self.child.id().expect("the process is there")
    }

    /// Kills the process with SIGKILL, like a failing machine.
    pub async fn kill(mut self) -> Finished {
        self.child.start_kill().expect("the process is there");
        finish(self.child, self.output, &self.errors).await
    }

    /// Sends it a signal that it can handle, such as `TERM`, and returns when it has ended.
    pub async fn signal(self, signal: &str) -> Finished {
        let process = self.process();
        // A shell has this built in; there need not be such a program.
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "{signal} can be sent");
        finish(self.child, self.output, &self.errors).await
    }
}

async fn finish(mut child: Child, mut output: BufReader<ChildStdout>, errors: &NamedTempFile) -> Finished {
    let mut rest = String::new();
    output.read_to_string(&mut rest).await.expect("the program writes text");
    let status: ExitStatus = child.wait().await.expect("the process can be waited for");
    Finished { code: status.code(), output: rest, errors: read(errors.path()) }
}

pub(crate) fn read(file: &Path) -> String {
    let mut text = String::new();
    File::open(file).and_then(|mut file| file.read_to_string(&mut text)).expect("the program writes text");
    text
}
