//! How the AWS SDK reaches an engine without a port: in this process directly, from another one through a Unix socket.
//!
//! A web page can reach neither.

use std::io;
use std::path::PathBuf;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use shared::aws;
use tokio::net::UnixStream;

use super::operations::Operations;

/// The URL of requests that do not use the network.
const NO_ADDRESS: &str = "http://engine.internal";

/// The header that names an operation.
pub(super) const TARGET: &str = "x-amz-target";

/// The type of what DynamoDB answers.
pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// A client of an engine in this process.
pub(super) fn in_process(operations: Operations) -> Client {
    client(InProcess(operations))
}

/// A client of the engine that listens on a Unix socket.
pub(super) fn over_socket(socket: PathBuf) -> Client {
    client(OverSocket(socket))
}

fn client(connector: impl HttpConnector + 'static) -> Client {
    let connector = SharedHttpConnector::new(connector);
    let http = http_client_fn(move |_, _| connector.clone());
    Client::from_conf(aws::local_client(NO_ADDRESS).config().to_builder().http_client(http).build())
}

#[derive(Debug)]
struct InProcess(Operations);

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operations = self.0.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get(TARGET).unwrap_or_default().to_owned();
            let body = request.into_body().bytes().map(<[u8]>::to_vec).unwrap_or_default();
            let stopped = || ConnectorError::other("the engine has stopped".into(), None);
            let answer = operations.perform(&target, body).await.ok_or_else(stopped)?;
            response(answer.status, answer.json.into())
        })
    }
}

#[derive(Debug)]
struct OverSocket(PathBuf);

impl HttpConnector for OverSocket {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let socket = self.0.clone();
        HttpConnectorFuture::new(async move {
            let broken = |error: hyper::Error| ConnectorError::io(error.into());
            // A connection costs microseconds here, so none is kept alive.
            let stream = UnixStream::connect(&socket).await.map_err(|error| ConnectorError::io(error.into()))?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (mut parts, body) = request.into_parts();
            parts.headers.insert("host", axum::http::HeaderValue::from_static("localhost"));
            let body = Full::new(axum::body::Bytes::copy_from_slice(body.bytes().unwrap_or_default()));
            let exchange = async {
                let answer = sender.send_request(axum::http::Request::from_parts(parts, body)).await?;
                let status = answer.status().as_u16();
                Ok((status, answer.into_body().collect().await?.to_bytes()))
            };
            let (status, body) = tokio::select! {
                exchanged = exchange => exchanged.map_err(broken)?,
                Err(error) = connection => return Err(broken(error)),
            };
            response(status, SdkBody::from(body))
        })
    }
}

fn response(status: u16, body: SdkBody) -> Result<HttpResponse, ConnectorError> {
    let invalid = |_| ConnectorError::io(io::Error::from(io::ErrorKind::InvalidData).into());
    let mut response = HttpResponse::new(status.try_into().map_err(invalid)?, body);
    response.headers_mut().insert("content-type", CONTENT_TYPE);
    Ok(response)
}
