//! The cold start of each function as it is deployed: sizes, time and memory up to the first question for an event, the first answer over
//! TLS, and calls at the share of a processor that Lambda gives a memory size.
//!
//! `tests/check-build` builds the binaries, then `cargo bench -p benches --bench start_up` measures them and writes the tables of
//! `docs/performance.md`. `TEST_FUNCTIONS` names other binaries, and then it only prints. It needs openssl and gzip, and root, for control groups.
//!
//! As on Lambda, a function has a whole processor until it asks for its first event, and its share after that. It trusts this
//! system's certificates and one more, that of a TLS endpoint in front of the engine that `contacts serve` runs.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{Failure, docs, insert_into_docs};
use contacts::gateway::Function;
use contacts::sample;
use contacts::serve::{self, Options};
use serde_json::Value;
use testkit::{ACCESS_KEY, S3Pace, S3Server};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How often each function starts; medians count.
const STARTS: usize = 15;

/// How many calls follow the first one; their median counts.
const CALLS: usize = 30;

/// Memory sizes in MB, largest first. Lambda gives a whole processor at 1,769.
const SIZES: [u64; 3] = [WHOLE, 512, 128];

const WHOLE: u64 = 1_769;

/// Lambda's period, in microseconds, within which a function has its share.
const PERIOD: u64 = 20_000;

/// What DynamoDB takes to answer a function, beyond what the engine takes here.
const NETWORK: f64 = 4.0;

/// Dollars for a GB-second on arm64, us-east-1.
const GB_SECOND: f64 = 0.000_013_333_4;

/// Where systems keep the certificates that they trust.
const ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// One start, and the calls after it. Times are milliseconds, memory is megabytes.
struct Start {
    /// From exec to the first question for an event.
    next: f64,
    memory_at_next: f64,
    /// From the first event to its answer.
    first: f64,
    peak_memory: f64,
    /// The median of the calls after the first.
    warm: f64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = env::var_os("TEST_FUNCTIONS").map(PathBuf::from);
    let folder = given.clone().unwrap_or_else(|| docs().join("../target/sam-by-name"));
    let running = serve::start(Options { port: 0, dynamodb_port: Some(0), memory: true, ..Options::default() }).await?;
    let (client, contacts, keys) = (running.client.clone(), running.contacts_table.clone(), running.api_keys_table.clone());
    let s3 = S3Server::start(S3Pace::default()).await;
    let certificates = tempfile::tempdir()?;
    let (acceptor, bundle) = certificates_in(certificates.path())?;
    let engine = running.dynamodb_endpoint.clone().ok_or("the engine has a port")?;
    let variables: BTreeMap<&str, String> = [
        ("CONTACTS_TABLE", contacts.clone()),
        ("API_KEYS_TABLE", keys.clone()),
        ("AWS_ENDPOINT_URL_DYNAMODB", in_front_of(&engine, acceptor.clone()).await?),
        ("AWS_ENDPOINT_URL_S3", in_front_of(&s3.url, acceptor).await?),
        ("SNAPSHOTS_BUCKET", "snapshots".to_owned()),
        ("SSL_CERT_FILE", bundle.display().to_string()),
        ("RUST_LOG", "info".to_owned()),
        ("METRICS_NAMESPACE", "bench".to_owned()),
    ]
    .into();

    let mut report = "| function | binary, MB | zip, MB | exec to first `/next`, ms | memory then, MB | exec to first answer, ms | peak memory, MB \
                      | first call at 512 MB, ms | at 128 MB, ms |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    let mut costs = "| function | call at 1,769 MB, ms | 512 MB | 128 MB | a million calls at 1,769 MB, $ | 512 MB | 128 MB |\n\
                     |---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for name in Function::ALL.map(Function::binary).into_iter().chain(["snapshot-client-contacts"]) {
        let file = folder.join(name).join("bootstrap");
        let binary = fs::read(&file).map_err(|error| format!("{}: {error}; tests/check-build makes it", file.display()))?;
        let event = fs::read_to_string(docs().join(format!("../events/{name}.json")))?;
        let mut sizes = Vec::new();
        for size in SIZES {
            let mut starts = Vec::new();
            for _ in 0..STARTS {
                // The contact that an event has deleted.
                sample::store(&client, &contacts, &keys).await?;
                let (file, variables, event) = (file.clone(), variables.clone(), event.clone());
                starts.push(
                    tokio::task::spawn_blocking(move || {
                        start(&file, &variables, &event, size).map_err(|error| error.to_string())
                    })
                    .await??,
                );
            }
            sizes.push(starts);
        }
        let of = |size: usize, figure: fn(&Start) -> f64| median(sizes[size].iter().map(figure).collect());
        let [whole, half, least] = [0, 1, 2].map(|size| of(size, |start| start.first));
        let total = of(0, |start| start.next + start.first);
        let row = format!(
            "| `{name}` | {:.1} | {:.1} | {:.1} | {:.1} | {total:.1} | {:.1} | {half:.1} | {least:.1} |\n",
            binary.len() as f64 / 1e6,
            zipped(&binary)? as f64 / 1e6,
            of(0, |start| start.next),
            of(0, |start| start.memory_at_next),
            of(0, |start| start.peak_memory),
        );
        let warm = [0, 1, 2].map(|size| of(size, |start| start.warm));
        let dollars = [0, 1, 2].map(|size| (warm[size] + NETWORK).ceil() * SIZES[size] as f64 / 1024.0 * GB_SECOND * 1_000.0);
        let cost = format!(
            "| `{name}` | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} |\n",
            warm[0], warm[1], warm[2], dollars[0], dollars[1], dollars[2]
        );
        eprintln!("{row}{cost}first call at a whole processor: {whole:.1} ms");
        report += &row;
        costs += &cost;
    }
    running.stop().await;
    report = format!("{report}\n{costs}");
    println!("{report}");
    if given.is_none() {
        insert_into_docs("start-up", &report)?;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The bytes of a file in the archive that is uploaded.
fn zipped(binary: &[u8]) -> Result<usize, Failure> {
    let mut command = Command::new("gzip").arg("--stdout").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (mut input, binary) = (command.stdin.take().ok_or("gzip has an input")?, binary.to_vec());
    let writing = std::thread::spawn(move || input.write_all(&binary));
    let output = command.wait_with_output()?;
    writing.join().map_err(|_| "gzip was not written to")??;
    Ok(output.stdout.len())
}

/// A certificate for this machine, and a file of certificates to trust, the one that signed it and those of this system.
fn certificates_in(folder: &Path) -> Result<(TlsAcceptor, PathBuf), Failure> {
    let make = |name: &str, others: &[&str]| -> Result<(), Failure> {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]).args(others);
        let done = openssl.current_dir(folder).output().map_err(|error| format!("openssl: {error}"))?;
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into()) }
    };
    make("root", &["-subj", "/CN=The start-up benchmark"])?;
    let of_this_machine = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    make("server", &[&["-subj", "/CN=localhost", "-CA", "root.pem", "-CAkey", "root.key"], &of_this_machine[..]].concat())?;
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key"))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;

    let system = ROOTS.iter().find_map(|file| fs::read_to_string(file).ok()).ok_or("this system has no file of certificates")?;
    let bundle = folder.join("roots.pem");
    fs::write(&bundle, system + "\n" + &fs::read_to_string(folder.join("root.pem"))?)?;
    Ok((TlsAcceptor::from(Arc::new(config)), bundle))
}

/// An endpoint with TLS in front of one without.
async fn in_front_of(endpoint: &str, acceptor: TlsAcceptor) -> Result<String, Failure> {
    let target = endpoint.strip_prefix("http://").ok_or("an endpoint without TLS")?.to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                client.set_nodelay(true)?;
                let mut client = acceptor.accept(client).await?;
                let mut server = tokio::net::TcpStream::connect(target).await?;
                server.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok(format!("https://localhost:{port}"))
}

/// Starts a function and calls it, as Lambda would with this memory size.
fn start(file: &Path, variables: &BTreeMap<&str, String>, event: &str, size: u64) -> Result<Start, Failure> {
    let mut api = RuntimeApi { listener: TcpListener::bind("127.0.0.1:0")?, connection: None };
    let mut command = Command::new(file);
    command.env_clear().envs(variables).env("AWS_LAMBDA_RUNTIME_API", api.listener.local_addr()?.to_string());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY.0).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.1).env("AWS_REGION", "us-east-1");
    command.env("AWS_LAMBDA_FUNCTION_NAME", "function").env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", size.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());

    let share = Share::of(size)?;
    let begun = Instant::now();
    let mut function = Running(command.spawn()?);
    let request = api.request()?;
    let next = milliseconds(begun.elapsed());
    if !request.starts_with("GET /2018-06-01/runtime/invocation/next") {
        return Err(format!("{}: {request}", file.display()).into());
    }
    let memory_at_next = function.memory("VmHWM")?;
    share.limit(function.0.id())?;

    let first = api.call(event)?;
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        api.request()?;
        calls.push(api.call(event)?.took);
    }
    if !first.succeeded() {
        return Err(format!("{}: {}", file.display(), first.answer).into());
    }
    let peak_memory = function.memory("VmHWM")?;
    function.0.kill()?;
    function.0.wait()?;
    Ok(Start { next, memory_at_next, first: first.took, peak_memory, warm: median(calls) })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A process that does not outlive this.
struct Running(Child);

impl Running {
    /// A figure of the process, in megabytes.
    fn memory(&self, figure: &str) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("the system says no memory")?;
        Ok(kilobytes.parse::<f64>()? * 1_024.0 / 1e6)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A control group whose processes have a share of one processor.
struct Share(Option<PathBuf>);

impl Share {
    /// The share of a memory size. A whole processor needs no group: a function here runs in one thread.
    fn of(size: u64) -> Result<Share, Failure> {
        if size >= WHOLE {
            return Ok(Share(None));
        }
        let quota = (PERIOD * size / WHOLE).to_string();
        let name = format!("start-up-{}", std::process::id());
        // The second version of control groups, or the first.
        let (root, is_second) = match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            true => (Path::new("/sys/fs/cgroup"), true),
            false => (Path::new("/sys/fs/cgroup/cpu"), false),
        };
        let folder = root.join(name);
        let make = || -> io::Result<()> {
            fs::create_dir(&folder)?;
            if is_second {
                fs::write(root.join("cgroup.subtree_control"), "+cpu")?;
                fs::write(folder.join("cpu.max"), format!("{quota} {PERIOD}"))
            } else {
                fs::write(folder.join("cpu.cfs_period_us"), PERIOD.to_string())?;
                fs::write(folder.join("cpu.cfs_quota_us"), &quota)
            }
        };
        make().map_err(|error| format!("no control group can be made in {}: {error}", root.display()))?;
        Ok(Share(Some(folder)))
    }

    fn limit(&self, process: u32) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |folder| fs::write(folder.join("cgroup.procs"), process.to_string()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // The process in it has ended, and is in it for a moment more.
        if let Some(folder) = &self.0 {
            let removed = (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(2));
                fs::remove_dir(folder).is_ok()
            });
            if !removed {
                eprintln!("{} could not be removed", folder.display());
            }
        }
    }
}

/// Lambda's side, for one function that runs in one thread and asks one question at a time.
struct RuntimeApi {
    listener: TcpListener,
    connection: Option<TcpStream>,
}

struct Answered {
    took: f64,
    answer: String,
}

impl Answered {
    fn succeeded(&self) -> bool {
        let (head, body) = self.answer.split_once("\r\n\r\n").unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        head.split_whitespace().nth(1).is_some_and(|path| path.ends_with("/response"))
            && body["statusCode"].as_u64().is_none_or(|status| status < 300)
    }
}

impl RuntimeApi {
    /// Answers the question for an event, and waits for the answer to it.
    fn call(&mut self, event: &str) -> Result<Answered, Failure> {
        let begun = Instant::now();
        let deadline = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)? + Duration::from_secs(60);
        self.respond(&format!(
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: {}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:function\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{event}",
            deadline.as_millis(),
            event.len()
        ))?;
        let answer = self.request()?;
        let took = milliseconds(begun.elapsed());
        self.respond("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        Ok(Answered { took, answer })
    }

    fn respond(&mut self, response: &str) -> Result<(), Failure> {
        Ok(self.connection.as_mut().ok_or("the function is connected")?.write_all(response.as_bytes())?)
    }

    /// The next request, head and body.
    fn request(&mut self) -> Result<String, Failure> {
        let mut received = Vec::new();
        loop {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => {
                    let (connection, _) = self.listener.accept()?;
                    connection.set_nodelay(true)?;
                    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
                    none.insert(connection)
                }
            };
            let mut buffer = [0; 65_536];
            match connection.read(&mut buffer)? {
                0 if received.is_empty() => self.connection = None,
                0 => return Err("the function broke off".into()),
                read => received.extend_from_slice(&buffer[..read]),
            }
            let text = String::from_utf8_lossy(&received);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
                let is_whole =
                    if head.contains("transfer-encoding: chunked") { body.ends_with("0\r\n\r\n") } else { body.len() >= length };
                if is_whole {
                    return Ok(text.into_owned());
                }
            }
        }
    }
}
