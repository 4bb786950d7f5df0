//! How the HTTP client of a receiver is made, whenever it is.

use std::time::Duration;

use reqwest::{ClientBuilder, redirect};

use super::{ClientError, POOL_IDLE};
use crate::causes::in_one_line;
use crate::config::{ClientTls, Credentials, Proxy, Receiver, Verify};
use crate::forward::status::Trust;
use crate::forward::target::Target;

/// Settings that decide how connections come up. What lies in files is read when one is made.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    connect_timeout: Duration,
    idle_max: usize,
    is_loopback: bool,
    is_plain: bool,
    shown: String,
    tls: ClientTls,
    proxy: Proxy,
}

/// An HTTP client, and what its files held.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) client: reqwest::Client,
    pub(super) digest: [u8; 32],
}

impl Recipe {
    pub(super) fn of(receiver: &Receiver, target: &Target) -> Self {
        Self {
            connect_timeout: receiver.connect_timeout,
            idle_max: receiver.concurrency.max(1),
            is_loopback: target.is_loopback(),
            is_plain: target.url().scheme() == "http",
            shown: target.shown().to_owned(),
            tls: receiver.tls.clone(),
            proxy: receiver.proxy.clone(),
        }
    }

    /// Through whom.
    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Whether there are files that may change.
    pub(super) fn has_files(&self) -> bool {
        let is_secret = !self.is_plain || self.has_secret_proxy();
        is_secret && (self.tls.ca_file.is_some() || self.tls.identity.is_some())
    }

    /// How far the receiver is believed to be who it says.
    pub(super) fn trust(&self) -> Trust {
        match (self.is_plain, self.tls.verify) {
            (true, _) => Trust::Clear,
            (false, Verify::Full) => Trust::Verified,
            (false, Verify::Nothing) => Trust::Unverified,
        }
    }

    /// What the files hold now. Blocks.
    pub(super) fn credentials(&self) -> Result<Credentials, ClientError> {
        self.tls.load().map_err(|fault| self.error(fault.to_string()))
    }

    /// Blocks: files are read, and the certificates of the system.
    pub(super) fn build(&self) -> Result<Made, ClientError> {
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(self.idle_max);
        builder = self.through(builder)?;
        let mut digest = [0; 32];
        if self.is_plain && !self.has_secret_proxy() {
            // In clear none are needed: a container without any can deliver.
            builder = builder.tls_certs_only([]);
        } else {
            let credentials = self.credentials()?;
            digest = credentials.digest();
            builder = credentials.apply(builder);
        }
        let client = builder.build();
        let client = client.map_err(|error| self.error(in_one_line(&error.without_url())))?;
        Ok(Made { client, digest })
    }

    fn has_secret_proxy(&self) -> bool {
        let url = match &self.proxy {
            Proxy::Through { url, .. } => url.as_str(),
            Proxy::Environment | Proxy::Off => "",
        };
        url.starts_with("https:") && !self.is_loopback
    }

    fn through(&self, builder: ClientBuilder) -> Result<ClientBuilder, ClientError> {
        match &self.proxy {
            _ if self.is_loopback => Ok(builder.no_proxy()),
            Proxy::Off => Ok(builder.no_proxy()),
            Proxy::Environment => Ok(builder),
            Proxy::Through { url, credentials } => {
                let proxy = reqwest::Proxy::all(url.as_str());
                let mut proxy = proxy.map_err(|error| self.error(in_one_line(&error)))?;
                if let Some((user, password)) = credentials {
                    proxy = proxy.basic_auth(user, password.reveal());
                }
                // What the environment says is forgotten by that.
                Ok(builder.no_proxy().proxy(proxy))
            }
        }
    }

    /// Its files cannot be read in time.
    pub(super) fn late(&self, within: Duration) -> ClientError {
        self.error(format!("reading the files of certificates takes longer than {within:?}"))
    }

    fn error(&self, cause: String) -> ClientError {
        ClientError { url: self.shown.clone(), cause }
    }
}
