//! Who makes a call, and what of the contacts is in their reach.

use crate::contact::Contact;
use crate::error::Error;
use crate::user::User;

/// The caller of a request, as the API key says.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// The tenant, beyond which nothing is in reach.
    pub tenant: String,
    /// The company namespaces that the caller may use, at least one; the first is the default of a new contact.
    pub namespaces: Vec<String>,
    /// The user that the caller acts as.
    pub user: User,
}

impl Caller {
    /// Whether the caller may use `namespace`.
    pub fn may_use(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|own| own == namespace)
    }

    /// Whether the caller sees `contact`, one of its own tenant: it shares a namespace with it.
    pub fn sees(&self, contact: &Contact) -> bool {
        contact.company_namespace.iter().any(|namespace| self.may_use(namespace))
    }

    /// Whether the caller may change a contact's namespaces from `before` to `after`: only its own come or go.
    ///
    /// # Errors
    ///
    /// [`Error::NamespaceNotAllowed`] about the first that the caller may not use and that is in one of both only.
    pub fn may_change_namespaces(&self, before: &[String], after: &[String]) -> Result<(), Error> {
        let added = after.iter().filter(|namespace| !before.contains(namespace));
        let removed = before.iter().filter(|namespace| !after.contains(namespace));
        match added.chain(removed).find(|namespace| !self.may_use(namespace)) {
            Some(namespace) => Err(Error::NamespaceNotAllowed { namespace: namespace.clone() }),
            None => Ok(()),
        }
    }
}
