//! What API Gateway and Lambda do in the cloud, on one machine: find the function of a request, pass it the event, return
//! its answer.
//!
//! It serves the contacts page beside the API. It has no API behaviour of its own, with one exception: it can add the development key to requests without credentials, unless a
//! web page of another site may have sent them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::serve::ListenerExt as _;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use shared::api_key::{ApiKey, has_credentials};
use shared::call::serve;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use crate::answer::{message, response};
use crate::app::App;
use crate::docs::Docs;
use crate::event::{self, PathParameters, event};
use crate::guard;
use crate::http_server::{self, Limits, Received};
use crate::page;
use crate::template::{Route, Template};

/// API Gateway takes request bodies of at most 10 MB.
const LIMITS: Limits = Limits::with_body_bytes(10 * 1024 * 1024);

/// Where the API is besides the root.
const VERSION_PREFIX: &str = "/v1";

/// The headers of an answer that say what it cost, and what a line calls that.
const COSTS: [(&str, &str); 2] = [("x-dynamodb-requests", "requests to DynamoDB"), ("x-dynamodb-capacity", "units")];

/// The API's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `POST /client-contact/batch`
    BatchClientContacts,
    /// `POST /client-contact`
    CreateClientContact,
    /// `DELETE /client-contact/{id}`
    DeleteClientContact,
    /// `GET /client-contact/{id}`
    GetClientContact,
    /// `GET /client-contact/changes`
    ListClientContactChanges,
    /// `GET /client-contact`
    ListClientContacts,
    /// `PUT /client-contact/{id}`
    UpdateClientContact,
    /// `PUT /client-contact`
    UpsertClientContact,
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 8] = [
        Function::BatchClientContacts,
        Function::CreateClientContact,
        Function::DeleteClientContact,
        Function::GetClientContact,
        Function::ListClientContactChanges,
        Function::ListClientContacts,
        Function::UpdateClientContact,
        Function::UpsertClientContact,
    ];

    /// The name of its binary, crate and folder.
    pub fn binary(self) -> &'static str {
        match self {
            Function::BatchClientContacts => "batch-client-contacts",
            Function::CreateClientContact => "create-client-contact",
            Function::DeleteClientContact => "delete-client-contact",
            Function::GetClientContact => "get-client-contact",
            Function::ListClientContactChanges => "list-client-contact-changes",
            Function::ListClientContacts => "list-client-contacts",
            Function::UpdateClientContact => "update-client-contact",
            Function::UpsertClientContact => "upsert-client-contact",
        }
    }

    /// Invokes the function as its `main` would. It answers before `deadline`.
    pub async fn invoke(self, app: App, event: ApiGatewayV2httpRequest, deadline: Instant) -> ApiGatewayV2httpResponse {
        let App { keys, store, lists } = app;
        match self {
            Function::BatchClientContacts => serve(&keys, store, event, deadline, batch_client_contacts::handle).await,
            Function::CreateClientContact => serve(&keys, store, event, deadline, create_client_contact::handle).await,
            Function::DeleteClientContact => serve(&keys, store, event, deadline, delete_client_contact::handle).await,
            Function::GetClientContact => serve(&keys, store, event, deadline, get_client_contact::handle).await,
            Function::ListClientContactChanges => serve(&keys, store, event, deadline, list_client_contact_changes::handle).await,
            Function::ListClientContacts => serve(&keys, lists, event, deadline, list_client_contacts::handle).await,
            Function::UpdateClientContact => serve(&keys, store, event, deadline, update_client_contact::handle).await,
            Function::UpsertClientContact => serve(&keys, store, event, deadline, upsert_client_contact::handle).await,
        }
    }
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The template routes to a function that this program does not have.
    #[error("template.yaml routes {} {} to {}, which is not a function of this program.", .0.method, .0.path, .0.binary)]
    UnknownFunction(Route),
    /// The OpenAPI document cannot be written.
    #[error("The OpenAPI document cannot be written: {0}.")]
    Document(#[from] serde_json::Error),
}

/// The gateway of one API.
pub struct Gateway {
    app: App,
    routes: Vec<(Route, Function)>,
    address: SocketAddr,
    development_key: Option<HeaderValue>,
    docs: Docs,
    requests: AtomicU64,
}

impl Gateway {
    /// A gateway with the template's routes, at an address. The user's own requests get `development_key`, when there is one and
    /// they have no credentials.
    ///
    /// # Errors
    /// When the template names a function that is not part of this program, or the OpenAPI document cannot be written.
    pub fn new(
        app: App,
        template: Template,
        address: SocketAddr,
        development_key: Option<&ApiKey>,
    ) -> Result<Gateway, GatewayError> {
        let known = |route: Route| match Function::ALL.into_iter().find(|function| function.binary() == route.binary) {
            Some(function) => Ok((route, function)),
            None => Err(GatewayError::UnknownFunction(route)),
        };
        let routes = template.routes.into_iter().map(known).collect::<Result<_, _>>()?;
        // A key that no header can carry, for example from an edited file, no client could send either.
        let development_key = development_key.and_then(|key| HeaderValue::from_str(key.secret()).ok());
        Ok(Gateway { app, routes, address, development_key, docs: Docs::new(address)?, requests: AtomicU64::new(0) })
    }

    /// Serves until `shutdown`, and then until no request is under way.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) {
        let gateway = Arc::new(self);
        let listener = listener.tap_io(|connection| {
            // Without this option the body of an answer can wait for the acknowledgement of its head.
            connection.set_nodelay(true).ok();
        });
        let handler = move |received| {
            let gateway = Arc::clone(&gateway);
            async move { gateway.handle(received).await }
        };
        http_server::serve(listener, LIMITS, handler, shutdown).await;
    }

    /// Answers a request, and logs it.
    async fn handle(&self, Received { mut parts, body, client }: Received<SocketAddr>) -> Response<Body> {
        let begun = Instant::now();
        let call = format!("{} {}", parts.method, parts.uri.path().chars().take(200).collect::<String>());
        match page::answer(&parts, self.address) {
            Some(Ok(response)) => {
                tracing::debug!("{call} {}", response.status().as_u16());
                return response;
            }
            Some(Err(foreign)) => {
                let response = page::refusal();
                tracing::info!("{call} {}: {foreign}", response.status().as_u16());
                return response;
            }
            None => {}
        }
        let foreign = self.lend_key(&mut parts).err();
        let response = self.answer(&parts, &body, client).await;

        let cost = |(header, what)| Some(format!(", {what}: {}", response.headers().get(header)?.to_str().ok()?));
        let costs: String = COSTS.into_iter().filter_map(cost).collect();
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let status = response.status().as_u16();
        let refused = foreign.map(|foreign| format!(", without the development key: {foreign}")).unwrap_or_default();
        // The path holds ids at most. The query can hold names and addresses, so it is left out.
        tracing::info!("{call} {status} in {took:.1} ms{costs}{refused}");
        response
    }

    /// Adds the development key to a request without credentials, if there is one and the request is the user's own.
    fn lend_key(&self, parts: &mut Parts) -> Result<(), guard::Foreign> {
        if let Some(key) = &self.development_key
            && !has_credentials(&parts.headers)
        {
            guard::check_api(parts, self.address)?;
            parts.headers.insert("api-key", key.clone());
        }
        Ok(())
    }

    async fn answer(&self, parts: &Parts, body: &[u8], client: SocketAddr) -> Response<Body> {
        let lent = self.development_key.as_ref().filter(|key| parts.headers.get("api-key") == Some(key));
        if let Some(response) = self.docs.answer(parts, lent) {
            return response;
        }
        let Some(Matched { route, function, path_parameters }) = self.route(parts.method.as_str(), parts.uri.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let time = OffsetDateTime::now_utc();
        let request_id = format!("{:x}-{}", time.unix_timestamp(), self.requests.fetch_add(1, Ordering::Relaxed));
        let route_key = format!("{} {}", route.method, route.path);
        let known = event::Known { route_key: &route_key, path_parameters, client, time, request_id: &request_id };
        let event = event(parts, body, &known);
        let app = self.app.clone();
        let deadline = Instant::now() + route.timeout;
        // As in the cloud, a function runs to its end when the client disconnects, and its panic affects nothing else.
        let invoked = tokio::spawn(async move {
            // Lambda passes events as text: what this loses would be lost there too.
            let event = serde_json::from_str(&event.to_string())?;
            let answer = function.invoke(app, event, deadline).await;
            serde_json::to_string(&answer).and_then(|answer| serde_json::from_str(&answer))
        });
        let answer = match invoked.await {
            Ok(Ok(answer)) => response(answer),
            Ok(Err(error)) => {
                tracing::error!(request_id, %error, "an event or an answer is not what Lambda takes");
                None
            }
            Err(error) => {
                tracing::error!(request_id, %error, function = function.binary(), "the function failed");
                None
            }
        };
        let mut response = answer.unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
        if let Ok(id) = HeaderValue::try_from(request_id) {
            response.headers_mut().insert("apigw-requestid", id);
        }
        response
    }

    /// The route of a request.
    fn route<'a>(&'a self, method: &str, path: &'a str) -> Option<Matched<'a>> {
        let unversioned = path.strip_prefix(VERSION_PREFIX).filter(|rest| rest.starts_with('/'));
        let matches = self.routes.iter().filter(|(route, _)| route.method == method).filter_map(|(route, function)| {
            let matched = |path| path_parameters(&route.path, path);
            let path_parameters = matched(path).or_else(|| unversioned.and_then(matched))?;
            Some(Matched { route, function: *function, path_parameters })
        });
        // Like API Gateway: of several routes the most specific one.
        matches.min_by_key(|matched| matched.path_parameters.len())
    }
}

/// A route that a request takes.
struct Matched<'a> {
    route: &'a Route,
    function: Function,
    path_parameters: PathParameters<'a>,
}

/// Matches a path with a route's, part by part. A part in braces takes any that is not empty.
fn path_parameters<'a>(route: &'a str, path: &'a str) -> Option<PathParameters<'a>> {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !given.is_empty() => parameters.push((name, given)),
                None if wanted == given => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_part_by_part() {
        for (path, expected) in [
            ("/client-contact/60f1", Some(vec![("id", "60f1")])),
            ("/client-contact/a%2Fb", Some(vec![("id", "a%2Fb")])),
            ("/client-contact/%20", Some(vec![("id", "%20")])),
            ("/client-contact/", None),
            ("/client-contact", None),
            ("/client-contact/a/b", None),
            ("/client-contact/a/", None),
            ("//client-contact/a", None),
            ("client-contact/a", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(path_parameters("/client-contact/{id}", path), expected, "{path}");
        }
    }
}
