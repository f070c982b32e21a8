//! `contacts serve`: an engine, its tables and a gateway, started and stopped together.
//!
//! Tests start many of them in one process, each with free ports and tables of its own.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use shared::api_key::{ApiKey, KeyAdmin};
use shared::aws;
use shared::environment::StartError;
use shared::listing::ListConfig;
use shared::objects::Objects;
use shared::snapshots::Snapshots;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::{App, Config};
use crate::development_key::{self, DevelopmentKeyError, Lease};
use crate::engine::{Changes, Engine, EngineError, Missing, Storage};
use crate::gateway::{Gateway, GatewayError};
use crate::snapshots::{self, SnapshotOptions, Work, Worker};
use crate::tables::{self, TableError};
use crate::template::{self, Template, TemplateError};

/// How long a stopping gateway waits for requests under way.
const GRACE: Duration = Duration::from_secs(3);

/// The table of contacts in the template.
pub const CONTACTS_TABLE: &str = "ContactsTable";

/// The table of API keys in the template.
pub const API_KEYS_TABLE: &str = "ApiKeysTable";

/// What to serve, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Port of the API; 0 takes any free port
    #[arg(long, default_value_t = 3030)]
    pub port: u16,

    /// Also let other programs on this machine use the embedded DynamoDB, on this port; 0 takes any free port
    #[arg(long, value_name = "PORT")]
    pub dynamodb_port: Option<u16>,

    /// Address for --dynamodb-port; containers on Linux need Docker's bridge, such as 172.17.0.1
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), requires = "dynamodb_port")]
    pub dynamodb_listen: IpAddr,

    /// Data folder, in which the contacts are stored
    #[arg(long, value_name = "DIR", default_value = ".contacts")]
    pub data: PathBuf,

    /// Keep the contacts in memory until the program ends
    #[arg(long, conflicts_with = "data")]
    pub memory: bool,

    /// Use another DynamoDB instead of the embedded one: DynamoDB Local (http) or an account (https)
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "memory", "dynamodb_port"], value_parser = endpoint)]
    pub dynamodb_endpoint: Option<String>,

    /// Prefix of the table names, for several APIs in one DynamoDB
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub table_prefix: String,

    /// Name of the table of contacts, instead of one made from the prefix
    #[arg(long, value_name = "NAME")]
    pub contacts_table: Option<String>,

    /// Name of the table of API keys, instead of one made from the prefix
    #[arg(long, value_name = "NAME")]
    pub api_keys_table: Option<String>,

    /// Refuse requests without an API key instead of using the development key for them
    #[arg(long)]
    pub require_key: bool,

    /// How lists are kept: what the environment says, as for a function
    #[arg(skip)]
    pub list: ListConfig,

    /// How snapshots are kept: what the environment says
    #[arg(skip)]
    pub snapshots: SnapshotOptions,
}

impl Default for Options {
    /// As the command line without any option.
    fn default() -> Options {
        Options {
            port: 3030,
            dynamodb_port: None,
            dynamodb_listen: Ipv4Addr::LOCALHOST.into(),
            data: ".contacts".into(),
            memory: false,
            dynamodb_endpoint: None,
            table_prefix: String::new(),
            contacts_table: None,
            api_keys_table: None,
            require_key: false,
            list: ListConfig::default(),
            snapshots: SnapshotOptions::default(),
        }
    }
}

/// Why the server did not start. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another program listens on the port.
    #[error("Port {port} cannot be used ({source}): choose another one with --port, 0 for any free port.")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A table is missing or does not match the template.
    #[error("{database} cannot be used: {source}.")]
    Table {
        /// Which DynamoDB it is.
        database: String,
        /// What is wrong with the table.
        source: TableError,
    },
    /// The template lacks something that this program needs.
    #[error("{0}.")]
    Template(#[from] TemplateError),
    /// The development key cannot be kept or stored.
    #[error(transparent)]
    DevelopmentKey(#[from] DevelopmentKeyError),
    /// The environment is not valid.
    #[error("Snapshots cannot be kept: {0}.")]
    Environment(#[from] StartError),
    /// The template lacks a table.
    #[error("template.yaml declares no {0}.")]
    NoTable(&'static str),
    /// The template names a function that this program does not have, or the OpenAPI document cannot be written.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// An API that is being served. Dropping it stops it without waiting.
pub struct Running {
    /// Where the API answers, such as `http://127.0.0.1:3030`.
    pub url: String,
    /// Where its DynamoDB answers, when it does so on a port.
    pub dynamodb_endpoint: Option<String>,
    /// A client of its DynamoDB.
    pub client: Client,
    /// What the functions run on.
    pub app: App,
    /// The name of its table of contacts.
    pub contacts_table: String,
    /// The name of its table of API keys.
    pub api_keys_table: String,
    /// Where its contacts are kept, in words.
    data: String,
    /// A key that works here, unless the DynamoDB is an account's.
    pub development_key: Option<ApiKey>,
    key_file: Option<PathBuf>,
    lease: Option<Lease>,
    require_key: bool,
    worker: Option<Worker>,
    engine: Option<Engine>,
    gateway: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

/// Starts the server, and returns when it answers requests.
///
/// # Errors
/// When a port is in use, the data folder cannot be used, or DynamoDB fails.
pub async fn start(options: Options) -> Result<Running, ServeError> {
    // The port comes first: a failure here has not touched any data.
    let port = |source| ServeError::Port { port: options.port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(port)?;
    let address = listener.local_addr().map_err(port)?;
    let url = format!("http://{address}");

    let template = Template::parse(template::SOURCE)?;
    let named = |given: &Option<String>, id| given.clone().unwrap_or_else(|| format!("{}{id}", options.table_prefix));
    let contacts_table = named(&options.contacts_table, CONTACTS_TABLE);
    let api_keys_table = named(&options.api_keys_table, API_KEYS_TABLE);

    let is_account = options.dynamodb_endpoint.as_deref().is_some_and(is_account);
    let data = match &options.dynamodb_endpoint {
        Some(endpoint) => format!("in the DynamoDB at {endpoint}"),
        None if options.memory => "in memory, until the program ends".to_owned(),
        None => format!("in the folder {}", options.data.display()),
    };
    let (engine, client, dynamodb_endpoint, database) = match options.dynamodb_endpoint {
        Some(endpoint) => (None, client(&endpoint).await, Some(endpoint.clone()), format!("The DynamoDB at {endpoint}")),
        None => {
            let (storage, database) = match options.memory {
                true => (Storage::Memory, "The database in memory".to_owned()),
                false => {
                    let database = format!("The data folder {}", options.data.display());
                    (Storage::Folder(options.data.clone(), Missing::MakeAll), database)
                }
            };
            let listen = options.dynamodb_port.map(|port| SocketAddr::new(options.dynamodb_listen, port));
            let engine = Engine::start(storage, listen).await?;
            let (client, endpoint) = (engine.client(), engine.endpoint());
            (Some(engine), client, endpoint, database)
        }
    };
    let tables = [(CONTACTS_TABLE, &*contacts_table), (API_KEYS_TABLE, &*api_keys_table)];
    prepare_tables(&client, is_account, &database, &template, tables).await?;

    let keys = KeyAdmin::new(client.clone(), &api_keys_table);
    let key_file = (engine.is_some() && !options.memory).then(|| development_key::file(&options.data));
    let (development_key, lease) = match &key_file {
        // The administrators of an account decide who may use its contacts.
        None if is_account => (None, None),
        // Other programs use this DynamoDB too, and it outlives this one.
        None if engine.is_none() => {
            let (key, lease) = Lease::begin(keys).await?;
            (Some(key), Some(lease))
        }
        None => (Some(development_key::new(&keys).await?), None),
        Some(file) => (Some(development_key::kept(&keys, file).await?), None),
    };

    let beside_data = || (engine.is_some() && !options.memory).then(|| Objects::in_folder(options.data.join(snapshots::FOLDER)));
    let objects = options.snapshots.objects.clone().or_else(beside_data).filter(|_| options.snapshots.are_kept);
    let config = Config {
        contacts_table: contacts_table.clone(),
        api_keys_table: api_keys_table.clone(),
        list: options.list.clone(),
        snapshots: objects.clone(),
    };
    let app = App::new(config, client.clone());
    let worker = match (objects, &engine) {
        (Some(objects), Some(engine)) => {
            let changes = Changes::of_table(&contacts_table);
            engine.watch(&changes);
            let snapshots = Snapshots::new(app.store.clone(), objects, options.list).configured()?;
            let keys = KeyAdmin::new(client.clone(), &api_keys_table);
            let work =
                Work { snapshots: Arc::new(snapshots), store: app.store.clone(), keys, changes, options: options.snapshots };
            Some(Worker::start(work).map_err(EngineError::Thread)?)
        }
        _ => None,
    };
    let key_for_requests = development_key.as_ref().filter(|_| !options.require_key);
    let gateway = Gateway::new(app.clone(), template, address, key_for_requests)?;
    let (stop, mut stopping) = watch::channel(false);
    let gateway = tokio::spawn(gateway.serve(listener, async move {
        // An error means that `Running` was dropped, which stops the gateway as well.
        stopping.wait_for(|stop| *stop).await.ok();
    }));
    let require_key = options.require_key;
    Ok(Running {
        url,
        dynamodb_endpoint,
        client,
        app,
        contacts_table,
        api_keys_table,
        data,
        development_key,
        key_file,
        lease,
        require_key,
        worker,
        engine,
        gateway,
        stop,
    })
}

impl Running {
    /// What is where: a line that says that the API is ready, and one for each thing that people look for next. The last has a command to try.
    pub fn greeting(&self) -> String {
        let Running { url, data, .. } = self;
        let (key, header) = match (&self.development_key, &self.key_file) {
            (None, _) => ("every request needs one".to_owned(), "-H 'api-key: <KEY>' ".to_owned()),
            (Some(_), Some(file)) if self.require_key => {
                let file = file.display();
                (format!("every request needs one, such as that in {file}"), format!("-H \"api-key: $(cat '{file}')\" "))
            }
            (Some(key), None) if self.require_key => {
                ("every request needs one".to_owned(), format!("-H 'api-key: {}' ", key.secret()))
            }
            (Some(_), Some(file)) => (format!("requests without one act with that in {}", file.display()), String::new()),
            (Some(_), None) => ("requests without one act with a key of this run".to_owned(), String::new()),
        };
        let dynamodb = match (&self.engine, &self.dynamodb_endpoint) {
            (Some(_), Some(endpoint)) => format!("  DynamoDB   {endpoint}\n"),
            _ => String::new(),
        };
        format!(
            "The client-contact API is ready at {url}\n\
             \x20 contacts   {url}/ is a page to see and change them\n\
             \x20 reference  {url}/docs has every call, to try\n\
             \x20 data       {data}\n\
             \x20 API key    {key}; `contacts keys create --help` says how to make more\n\
             {dynamodb}\
             \x20 try        curl {header}'{url}/client-contact?per_page=5'"
        )
    }

    /// Waits until the gateway or the engine ends by itself, which only a failure causes.
    pub async fn wait(&mut self) {
        let engine = async {
            match &mut self.engine {
                Some(engine) => engine.stopped().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The log has the reason.
            _ = &mut self.gateway => {}
            () = engine => {}
        }
    }

    /// Stops within a few seconds: requests under way are answered, idle connections are closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if timeout(GRACE, &mut self.gateway).await.is_err() {
            tracing::debug!("connections were left open by their clients");
        }
        if let Some(worker) = self.worker.take() {
            worker.stop().await;
        }
        if let Some(lease) = self.lease.take() {
            lease.end().await;
        }
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
    }
}

impl fmt::Debug for Running {
    /// Without the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Running")
            .field("url", &self.url)
            .field("dynamodb_endpoint", &self.dynamodb_endpoint)
            .finish_non_exhaustive()
    }
}

/// A client for the DynamoDB at `endpoint`: with the AWS configuration for an account, otherwise with made-up credentials.
pub async fn client(endpoint: &str) -> Client {
    if is_account(endpoint) {
        let client = aws::aws_client().await;
        Client::from_conf(client.config().to_builder().endpoint_url(endpoint).build())
    } else {
        aws::local_client(endpoint)
    }
}

/// Whether an endpoint belongs to AWS, where tables are deployed and somebody administers the keys.
pub(crate) fn is_account(endpoint: &str) -> bool {
    endpoint.starts_with("https://")
}

/// Checks the form of an endpoint.
///
/// # Errors
/// When it is not an `http` or `https` URL.
pub fn endpoint(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let uri: axum::http::Uri = url.parse().map_err(|_| "it must be a URL".to_owned())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url.to_owned()),
        _ => Err("it must begin with http:// or https:// and name a host".to_owned()),
    }
}

/// Creates or upgrades the tables of a local DynamoDB, and checks that those of an account exist. Each pair is a logical id and a
/// name.
async fn prepare_tables(
    client: &Client,
    is_account: bool,
    database: &str,
    template: &Template,
    tables: [(&'static str, &str); 2],
) -> Result<(), ServeError> {
    let prepared = if is_account {
        tables::check(client, &tables.map(|(_, name)| name)).await
    } else {
        let mut declared = Vec::new();
        for (id, name) in tables {
            let table = template.tables.iter().find(|table| table.logical_id == id).ok_or(ServeError::NoTable(id))?;
            declared.push((table, name));
        }
        tables::prepare(client, &declared).await
    };
    prepared.map_err(|source| ServeError::Table { database: database.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_options_are_those_of_the_command_line() {
        #[derive(clap::Parser)]
        struct Arguments {
            #[command(flatten)]
            options: Options,
        }
        let parsed = <Arguments as clap::Parser>::parse_from(["contacts"]).options;
        assert_eq!(format!("{:?}", Options::default()), format!("{parsed:?}"));
    }

    #[test]
    fn an_endpoint_is_a_url_of_a_host() {
        for (given, expected) in [
            ("http://localhost:8000", Some("http://localhost:8000")),
            ("http://localhost:8000/", Some("http://localhost:8000")),
            ("https://dynamodb.eu-central-1.amazonaws.com", Some("https://dynamodb.eu-central-1.amazonaws.com")),
            ("localhost:8000", None),
            ("ftp://localhost", None),
            ("http://", None),
            ("http://a b", None),
            ("", None),
        ] {
            assert_eq!(endpoint(given).ok().as_deref(), expected, "{given:?}");
        }
    }

    #[tokio::test]
    async fn several_apis_share_an_engine_and_stop_by_themselves() {
        let engine = Engine::start(Storage::Memory, Some(([127, 0, 0, 1], 0).into())).await.unwrap();
        let options = |table_prefix: &str| Options {
            port: 0,
            dynamodb_endpoint: engine.endpoint(),
            table_prefix: table_prefix.to_owned(),
            ..Options::default()
        };
        let one = start(options("one-")).await.unwrap();
        let other = start(options("other-")).await.unwrap();

        let listed = one.client.list_tables().send().await.unwrap();
        let tables = ["one-ApiKeysTable", "one-ContactsTable", "other-ApiKeysTable", "other-ContactsTable"];
        assert_eq!(listed.table_names(), tables);
        assert_ne!(one.url, other.url);
        one.stop().await;
        assert!(other.client.list_tables().send().await.is_ok());
        other.stop().await;
        engine.stop().await;
    }

    #[tokio::test]
    async fn the_greeting_goes_with_the_options() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let options = || Options { port: 0, ..Options::default() };
        let with_folder = || Options { data: data.clone(), ..options() };
        for (options, place, key, header) in [
            (
                Options { memory: true, ..options() },
                "in memory, until the program ends",
                "requests without one act with a key of this run",
                "",
            ),
            (
                Options { memory: true, require_key: true, ..options() },
                "in memory, until the program ends",
                "every request needs one",
                "-H 'api-key: KEY' ",
            ),
            (with_folder(), "in the folder DATA", "requests without one act with that in FILE", ""),
            (
                Options { require_key: true, ..with_folder() },
                "in the folder DATA",
                "every request needs one, such as that in FILE",
                "-H \"api-key: $(cat 'FILE')\" ",
            ),
        ] {
            let running = start(options).await.unwrap();
            let secret = running.development_key.clone().unwrap();
            let lines = [
                "The client-contact API is ready at URL".to_owned(),
                "  contacts   URL/ is a page to see and change them".to_owned(),
                "  reference  URL/docs has every call, to try".to_owned(),
                format!("  data       {place}"),
                format!("  API key    {key}; `contacts keys create --help` says how to make more"),
                format!("  try        curl {header}'URL/client-contact?per_page=5'"),
            ];
            let expected = lines.join("\n").replace("URL", &running.url).replace("KEY", secret.secret());
            let expected = expected.replace("FILE", &development_key::file(&data).display().to_string());
            assert_eq!(running.greeting(), expected.replace("DATA", &data.display().to_string()));
            running.stop().await;
        }
    }
}
