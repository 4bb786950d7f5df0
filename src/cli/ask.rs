//! Which gateway is asked: that of a data directory, or whoever is at an address.

use clap::Args;

use super::Failure;
use super::gateway::{Absent, Gateway};
use super::place::{Place, PlaceArgs};
use crate::config::Environment;

/// Whom to ask.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// Ask the admin port at this address, like http://127.0.0.1:8081
    ///
    /// Without it the gateway is asked that works on the data directory: where its admin port is stands in
    /// its lock file.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Option<String>,
}

/// Where a gateway is looked for, each time it is asked.
#[derive(Clone, Debug)]
pub(super) enum Whereabouts {
    /// There, whichever it is.
    At(Gateway),
    /// It works on this directory.
    Of(Box<Place>),
}

impl AskArgs {
    /// Fails when the configuration, or the address, is at fault.
    pub(super) fn whereabouts(&self, environment: &Environment) -> Result<Whereabouts, Failure> {
        match &self.admin {
            Some(address) => {
                let gateway = Gateway::at(address);
                gateway.map(Whereabouts::At).map_err(|why| Failure::Usage(anyhow::anyhow!(why)))
            }
            None => Ok(Whereabouts::Of(Box::new(Place::find(&self.place, environment)?))),
        }
    }
}

impl Whereabouts {
    /// The gateway that may be there now.
    pub(super) fn gateway(&self) -> Result<Gateway, Absent> {
        match self {
            Self::At(gateway) => Ok(gateway.clone()),
            Self::Of(place) => Gateway::find(place),
        }
    }
}
