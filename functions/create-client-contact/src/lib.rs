//! `POST /client-contact`: creates a contact, at most once for an `Idempotency-Key`.

use lambda_http::http::HeaderValue;
use shared::body::ContactBody;
use shared::call::Call;
use shared::clock;
use shared::envelope::{self, IDEMPOTENCY_REPLAYED, Response};
use shared::error::Error;
use shared::object_id;
use shared::store::{Creation, IdempotencyKey, Store};

/// Answers with the new contact, or with the one that the same request made before.
///
/// # Errors
///
/// [`Error::InvalidField`] and [`Error::MalformedJson`] about the body, [`Error::InvalidParameter`] about the `Idempotency-Key`,
/// [`Error::NamespaceNotAllowed`], and those of
/// [`shared::store::Store::create`] and [`shared::store::Store::create_once`].
pub async fn handle(store: Store, call: Call) -> Result<Response, Error> {
    call.takes_no_parameters()?;
    let key = IdempotencyKey::of_request(&call.headers)?;
    let body = ContactBody::for_create(&call.body, &call.handling)?;
    let now = clock::now();
    let contact = body.into_contact(&call.caller, object_id::generate(now), now)?;
    let (meter, tenant) = (&call.meter, &call.caller.tenant);
    let creation = match key {
        Some(key) => store.create_once(meter, tenant, contact, &key).await?,
        None => store.create(meter, tenant, contact).await.map(Creation::Created)?,
    };
    match creation {
        Creation::Created(contact) => envelope::created(&call.path, &contact),
        Creation::Replayed(contact) => {
            let mut response = envelope::created(&call.path, &contact)?;
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}
