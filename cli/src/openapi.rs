//! The OpenAPI document: the operations that the functions' handlers declare, with what they have in common.

use shared::batch::{BatchCreate, BatchDelete, BatchInput, BatchUpdate, BatchUpsert};
use shared::body::{ContactChange, ContactCreate, IntegrationMeta};
use shared::contact::{ChangeJson, Contact};
use shared::envelope::openapi::{
    BatchAnswer, ChangeFeed, ContactAnswer, ContactList, ErrorAnswer, GatewayMessage, OperationFailed, OperationSucceeded,
};
use shared::envelope::{ContactVersion, Pagination};
use shared::user::{User, UserInput, UserType};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What the API is, for those who read the document alone.
const DESCRIPTION: &str = "\
Contact persons of a company's clients: lists with exact totals, filters, search and sorting; safe edits with `ETag` and `If-Match`; and what keeps another system in \
step: upserts by external id, batches and a change feed.

A successful answer is `{\"success\": true, \"data\": …}`. An error is `{\"success\": false, \"error\": \"<sentence>\", \"code\": \"<name>\"}`: go by `code`, the sentence can \
change. Within this version of the API, members, codes and headers are only added. Ignore those that you do not know.

A character is a Unicode code point. A field that was never set is absent, not `null`.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Client contacts", description = DESCRIPTION, version = "1.0.0", license(name = "MIT", identifier = "MIT"), contact()),
    servers((url = "/", description = "The server that this document comes from")),
    tags(
        (name = "Contacts", description = "One contact, and lists of them"),
        (name = "Other systems", description = "What keeps a copy in another system in step"),
    ),
    paths(
        list_client_contacts::handle,
        create_client_contact::handle,
        upsert_client_contact::handle,
        get_client_contact::handle,
        update_client_contact::handle,
        delete_client_contact::handle,
        batch_client_contacts::handle,
        list_client_contact_changes::handle,
    ),
    components(schemas(
        BatchAnswer,
        BatchCreate,
        BatchDelete,
        BatchInput,
        BatchUpdate,
        BatchUpsert,
        ChangeFeed,
        ChangeJson<'_>,
        Contact,
        ContactAnswer,
        ContactChange,
        ContactCreate,
        ContactList,
        ContactVersion,
        ErrorAnswer,
        GatewayMessage,
        IntegrationMeta,
        OperationFailed,
        OperationSucceeded,
        Pagination,
        User,
        UserInput,
        UserType,
    )),
    security(("bearer" = []), ("apiKey" = [])),
    modifiers(&Shared),
)]
struct Document;

/// The ways to send a key, and the headers of answers.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info.contact = None;
        let components = document.components.get_or_insert_default();
        components.headers = shared::openapi::headers();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let bearer =
            bearer.description(Some("`Authorization: Bearer <key>`, the scheme in any case. If both are sent, this one counts."));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let header = ApiKeyValue::with_description("api-key", "The same key in a header of its own.");
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
}

/// The document as JSON, with a line feed at its end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document() -> serde_json::Result<String> {
    let document = Document::openapi().to_pretty_json()?;
    Ok(format!("{document}\n"))
}
