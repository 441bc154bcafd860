//! The untrusted host of the enclave: it admits uploads, stores them, pre-sums,
//! relays, and publishes aggregate, receipt and evidence.
//!
//! Nobody trusts it for privacy: it sees masked updates, sealed headers and public
//! keys. It is trusted for availability alone, so what it acknowledged it keeps, and
//! what was cut it takes up again.

mod access;
mod address;
mod api;
mod config;
mod enclave_link;
mod listing;
mod metrics;
mod neighbours;
mod offer;
mod parent;
mod presum;
mod problem;
mod rehearsal;
mod reload;
mod round;
mod rounds;
mod schedule;
mod serve;
mod settings;
mod storage;
mod stored_upload;
mod summary;
mod tls;
mod upload;

pub use access::{Rates, Token, TokenError};
pub use address::{AddressError, EnclaveAddress};
pub use api::{client_router, openapi, router};
pub use config::{Config, Limits, Listener, OnShutdown, TlsFiles};
pub use enclave_link::{LinkError, Patience};
pub use parent::{Parent, StartError};
pub use presum::{MaskedSum, sum as sum_uploads};
pub use problem::Problem;
pub use rehearsal::{Finding, Running};
pub use round::{Gathering, Round, RoundError};
pub use rounds::Rounds;
pub use schedule::{ClosingRule, Opens, ScheduleError};
pub use settings::{
    Layer, LogFormat, LogSettings, Origin, Settings, SettingsError, Shown, check_variables,
    read as read_settings,
};
pub use storage::{
    Blob, BlobReader, BlobWriter, Embedded, Holder, Pending, Record, Shared, Storage, StorageError,
    StorageSettings, StoredBlob, TakenOver, Whereabouts,
};
pub use summary::RoundSummary;
pub use tls::TlsError;
pub use upload::UploadRejection;
