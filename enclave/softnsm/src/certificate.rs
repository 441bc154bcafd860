//! The certificates' profiles: what each level of the chain says, as read from
//! certificates of AWS's own chain, but for names that no one can mistake.
//!
//! | level | path length | key usage | lives |
//! |---|---|---|---|
//! | root | none | digitalSignature, keyCertSign, cRLSign | 30 years |
//! | regional | 2 | the same | 20 days |
//! | zonal | 1 | the same | 6 days |
//! | instance | 0 | keyCertSign | 24 h |
//! | leaf | no CA | digitalSignature, nonRepudiation, not critical | 3 h + 3 s |

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName,
    DnType, DnValue, IsCa, Issuer, KeyUsagePurpose, PublicKeyData, SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom, SystemRandom};

use crate::key::{CertifyingKey, EvidenceKey};
use crate::module_id::ModuleId;

/// A certificate can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The clock, with its offset, is wrong beyond what a certificate can say.
    #[error(
        "the NSM's clock says {found_ms} ms since 1970: expected a time from 2000 to 2199; \
         set this machine's clock, or choose another clock offset"
    )]
    ClockOutOfRange {
        /// The time, in milliseconds; saturated if the offset overflows.
        found_ms: u64,
    },
    /// The system gave no randomness.
    #[error("the system has no randomness to give: a key can't be made or used")]
    Entropy,
    /// The certificate can't be written. A fault of this crate.
    #[error("can't write the {level} certificate: {source}")]
    Unwritable {
        /// Which certificate of the chain.
        level: &'static str,
        /// What the writer said.
        source: rcgen::Error,
    },
}

/// A certificate authority of the chain.
pub(crate) struct Authority {
    pub(crate) key: CertifyingKey,
    pub(crate) params: CertificateParams,
    pub(crate) der: Vec<u8>,
    /// Seconds since the Unix epoch: the moment of issue, not `notBefore`.
    pub(crate) issued_s: u64,
}

/// The certificate that vouches for the key that signs documents.
pub(crate) struct Leaf {
    pub(crate) key: EvidenceKey,
    pub(crate) der: Vec<u8>,
    pub(crate) issued_s: u64,
}

/// What the root says of itself, without its key.
pub(crate) fn root_params(now_s: u64) -> Result<CertificateParams, IssueError> {
    let name = name(&[
        (DnType::CountryName, COUNTRY),
        (DnType::OrganizationName, ORGANIZATION),
        (DnType::OrganizationalUnitName, UNIT),
        (DnType::CommonName, ROOT_NAME),
    ])?;
    let mut params = authority_params(name, BasicConstraints::Unconstrained)?;
    params.key_usages = SIGN_ALL.to_vec();
    set_validity(
        &mut params,
        now_s.saturating_sub(DAY_S),
        ROOT_LIFE_S + DAY_S,
    );
    Ok(params)
}

/// Signs `params` with their own key.
pub(crate) fn self_signed(
    params: &CertificateParams,
    key: &CertifyingKey,
) -> Result<Vec<u8>, IssueError> {
    let certificate = params.self_signed(key).map_err(unwritable("root"))?;
    Ok(certificate.der().to_vec())
}

pub(crate) fn regional(
    root: (&CertificateParams, &CertifyingKey),
    now_s: u64,
) -> Result<Authority, IssueError> {
    let name = name(&[
        (DnType::CountryName, COUNTRY),
        (DnType::OrganizationName, ORGANIZATION),
        (DnType::OrganizationalUnitName, UNIT),
        (
            DnType::CommonName,
            &format!("{:016x}.{REGION}.{ROOT_NAME}", random_u64()?),
        ),
    ])?;
    let mut params = authority_params(name, BasicConstraints::Constrained(2))?;
    params.key_usages = SIGN_ALL.to_vec();
    params.crl_distribution_points = vec![revocation_list("regional")];
    // AWS's regional and zonal certificates name their issuer's key.
    params.use_authority_key_identifier_extension = true;
    set_validity(
        &mut params,
        now_s.saturating_sub(HOUR_S),
        REGIONAL_LIFE_S + HOUR_S,
    );
    issue("regional", params, root, now_s)
}

pub(crate) fn zonal(regional: &Authority, now_s: u64) -> Result<Authority, IssueError> {
    let name = name(&[
        (
            DnType::CommonName,
            &format!("{:016x}.zonal.{REGION}.{ROOT_NAME}", random_u64()?),
        ),
        (DnType::OrganizationalUnitName, UNIT),
        (DnType::OrganizationName, ORGANIZATION),
        (DnType::CountryName, COUNTRY),
        (DnType::StateOrProvinceName, PLACE),
        (DnType::LocalityName, PLACE),
    ])?;
    let mut params = authority_params(name, BasicConstraints::Constrained(1))?;
    params.key_usages = SIGN_ALL.to_vec();
    params.crl_distribution_points = vec![revocation_list("zonal")];
    params.use_authority_key_identifier_extension = true;
    set_validity(
        &mut params,
        now_s.saturating_sub(HOUR_S),
        ZONAL_LIFE_S + HOUR_S,
    );
    issue("zonal", params, (&regional.params, &regional.key), now_s)
}

pub(crate) fn instance(
    zonal: &Authority,
    module: &ModuleId,
    now_s: u64,
) -> Result<Authority, IssueError> {
    let name = local_name(&format!("{}.{REGION}.{ROOT_NAME}", module.instance()))?;
    let mut params = authority_params(name, BasicConstraints::Constrained(0))?;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    // Backdated like the leaf, so that the leaf's edge is the chain's.
    set_validity(
        &mut params,
        now_s.saturating_sub(LEAF_BACK_S),
        INSTANCE_LIFE_S,
    );
    issue("instance", params, (&zonal.params, &zonal.key), now_s)
}

/// A leaf whose window is that of one issued `backdated_s` before `now_s`.
pub(crate) fn leaf(
    instance: &Authority,
    module: &ModuleId,
    now_s: u64,
    backdated_s: u64,
) -> Result<Leaf, IssueError> {
    let key = EvidenceKey::generate().map_err(|_| IssueError::Entropy)?;
    let from_s = now_s.saturating_sub(backdated_s);
    let mut params = CertificateParams::default();
    params.distinguished_name = local_name(&format!("{module}.{REGION}.{LEAF_SUFFIX}"))?;
    // Neither is written by the usual fields: those make keyUsage critical and
    // add a key identifier, which AWS's leaves don't.
    let mut no_authority = CustomExtension::from_oid_content(OID_BASIC_CONSTRAINTS, vec![0x30, 0]);
    no_authority.set_criticality(true);
    let usage = CustomExtension::from_oid_content(OID_KEY_USAGE, LEAF_KEY_USAGE.to_vec());
    params.custom_extensions = vec![no_authority, usage];
    let serial = [module.enclave(), from_s.to_be_bytes()].concat();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    set_validity(
        &mut params,
        from_s.saturating_sub(LEAF_BACK_S),
        LEAF_LIFE_S + LEAF_BACK_S,
    );
    let der = signed("leaf", &params, &key, (&instance.params, &instance.key))?;
    Ok(Leaf {
        key,
        der,
        issued_s: now_s,
    })
}

/// Milliseconds to seconds, refusing what a certificate can't say.
pub(crate) fn seconds(now_ms: u64) -> Result<u64, IssueError> {
    let now_s = now_ms / 1000;
    if (EARLIEST_S..LATEST_S).contains(&now_s) {
        Ok(now_s)
    } else {
        Err(IssueError::ClockOutOfRange { found_ms: now_ms })
    }
}

fn issue(
    level: &'static str,
    params: CertificateParams,
    issuer: (&CertificateParams, &CertifyingKey),
    now_s: u64,
) -> Result<Authority, IssueError> {
    let (key, _) = CertifyingKey::generate().map_err(|_| IssueError::Entropy)?;
    let der = signed(level, &params, &key, issuer)?;
    Ok(Authority {
        key,
        params,
        der,
        issued_s: now_s,
    })
}

fn signed(
    level: &'static str,
    params: &CertificateParams,
    key: &impl PublicKeyData,
    (issuer, issuer_key): (&CertificateParams, &CertifyingKey),
) -> Result<Vec<u8>, IssueError> {
    let issuer = Issuer::from_params(issuer, issuer_key);
    let certificate = params.signed_by(key, &issuer).map_err(unwritable(level))?;
    Ok(certificate.der().to_vec())
}

fn authority_params(
    name: DistinguishedName,
    constraints: BasicConstraints,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(constraints);
    params.serial_number = Some(SerialNumber::from_slice(&random_u128()?.to_be_bytes()));
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, from_s: u64, life_s: u64) {
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(from_s);
    params.not_after = epoch + Duration::from_secs(from_s + life_s);
}

fn local_name(common_name: &str) -> Result<DistinguishedName, IssueError> {
    name(&[
        (DnType::CountryName, COUNTRY),
        (DnType::StateOrProvinceName, PLACE),
        (DnType::LocalityName, PLACE),
        (DnType::OrganizationName, ORGANIZATION),
        (DnType::OrganizationalUnitName, UNIT),
        (DnType::CommonName, common_name),
    ])
}

fn name(parts: &[(DnType, &str)]) -> Result<DistinguishedName, IssueError> {
    let mut name = DistinguishedName::new();
    for (kind, text) in parts {
        let value = if *kind == DnType::CountryName {
            // RFC 5280, A.1: X520countryName is a PrintableString.
            DnValue::PrintableString((*text).try_into().map_err(unwritable("named"))?)
        } else {
            DnValue::Utf8String((*text).to_owned())
        };
        name.push(kind.clone(), value);
    }
    Ok(name)
}

/// AWS's certificates name a list although AWS says that none is used; a
/// verifier must not stumble over it. The name can't resolve (RFC 2606).
fn revocation_list(level: &str) -> CrlDistributionPoint {
    CrlDistributionPoint {
        uris: vec![format!("http://crl.sealsum-mock.invalid/crl/{level}.crl")],
    }
}

fn unwritable(level: &'static str) -> impl Fn(rcgen::Error) -> IssueError {
    move |source| IssueError::Unwritable { level, source }
}

fn random_u64() -> Result<u64, IssueError> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| IssueError::Entropy)?;
    Ok(u64::from_be_bytes(bytes))
}

fn random_u128() -> Result<u128, IssueError> {
    Ok(u128::from(random_u64()?) << 64 | u128::from(random_u64()?))
}

pub(crate) const HOUR_S: u64 = 3600;
pub(crate) const DAY_S: u64 = 24 * HOUR_S;
pub(crate) const REGIONAL_LIFE_S: u64 = 20 * DAY_S;
pub(crate) const ZONAL_LIFE_S: u64 = 6 * DAY_S;
pub(crate) const INSTANCE_LIFE_S: u64 = DAY_S;
pub(crate) const LEAF_LIFE_S: u64 = 3 * HOUR_S;

/// 30 years of 365 days and 8 leap days.
const ROOT_LIFE_S: u64 = (30 * 365 + 8) * DAY_S;
/// A leaf is valid from 3 s before its issue.
const LEAF_BACK_S: u64 = 3;

/// 2000-01-01 and 2200-01-01: far enough from what X.509 times can hold, and
/// from zero, for every window above.
const EARLIEST_S: u64 = 946_684_800;
const LATEST_S: u64 = 7_258_118_400;

/// User-assigned in ISO 3166: no country.
const COUNTRY: &str = "XX";
const ORGANIZATION: &str = "Sealsum Mock";
const UNIT: &str = "Mock";
const PLACE: &str = "Mock";
const ROOT_NAME: &str = "sealsum-mock.nitro-enclaves";
const REGION: &str = "mock-1";
/// Shorter than the root's name, as with AWS: the leaf's name must stay within
/// 64 characters (RFC 5280, ub-common-name).
const LEAF_SUFFIX: &str = "sealsum-mock";

const SIGN_ALL: [KeyUsagePurpose; 3] = [
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::KeyCertSign,
    KeyUsagePurpose::CrlSign,
];

const OID_BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const OID_KEY_USAGE: &[u64] = &[2, 5, 29, 15];
/// BIT STRING: digitalSignature, nonRepudiation.
const LEAF_KEY_USAGE: [u8; 4] = [0x03, 0x02, 0x06, 0xc0];
