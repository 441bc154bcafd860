//! An image's optional signature: the hypervisor checks it at boot and attests the signing
//! certificate as PCR8.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use sealsum_eif::{signature_section, to_be_signed};

use super::{Recipe, read};

/// A key and the certificate over it.
pub(super) struct Signer {
    key: EcdsaKeyPair,
    certificate_pem: Vec<u8>,
}

impl Signer {
    /// The recipe's signer; `None` for an unsigned image.
    pub(super) fn of(recipe: &Recipe) -> Result<Option<Self>> {
        match (&recipe.sign_key, &recipe.sign_certificate) {
            (Some(key), Some(certificate)) => Self::read(key, certificate).map(Some),
            _ => Ok(None),
        }
    }

    fn read(key: &Path, certificate: &Path) -> Result<Self> {
        let block = block(key, "PRIVATE KEY").with_context(|| {
            format!(
                "{}: a P-384 key in PKCS#8 is needed (openssl pkcs8 -topk8 -nocrypt)",
                key.display()
            )
        })?;
        let key_pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P384_SHA384_FIXED_SIGNING,
            &block,
            &SystemRandom::new(),
        )
        .map_err(|why| anyhow!("{} is no P-384 key in PKCS#8: {why}", key.display()))?;
        let der = self::block(certificate, "CERTIFICATE")
            .with_context(|| certificate.display().to_string())?;
        // A P-384 key stands in its certificate as it is, byte by byte.
        let public = key_pair.public_key().as_ref();
        ensure!(
            der.windows(public.len()).any(|window| window == public),
            "{} is for another key than {}",
            certificate.display(),
            key.display()
        );
        Ok(Self {
            key: key_pair,
            certificate_pem: read(certificate)?,
        })
    }

    /// The section that signs an image which measures to `pcr0`.
    pub(super) fn section(&self, pcr0: &[u8; 48]) -> Result<Vec<u8>> {
        let message = to_be_signed(pcr0);
        let Ok(signature) = self.key.sign(&SystemRandom::new(), &message) else {
            bail!("the system gives no random numbers to sign with");
        };
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, self.key.public_key())
            .verify(&message, signature.as_ref())
            .map_err(|_| anyhow!("the signature just made does not verify"))?;
        Ok(signature_section(
            pcr0,
            &self.certificate_pem,
            signature.as_ref(),
        ))
    }
}

/// The content of a PEM file's one block.
fn block(path: &Path, tag: &str) -> Result<Vec<u8>> {
    let block = pem::parse(read(path)?)?;
    ensure!(
        block.tag() == tag,
        "expected a PEM block {tag}, found {}",
        block.tag()
    );
    Ok(block.into_contents())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{
        CertificateParams, KeyPair as Made, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    };
    use sealsum_eif::{Architecture, EnclaveImage, ImageContents};
    use tempfile::TempDir;

    use super::*;

    /// A key and a certificate in files of their own.
    fn written(folder: &TempDir, key: &Made, certified: &Made) -> Result<Signer> {
        let certificate = CertificateParams::new(vec!["signer".into()])
            .unwrap()
            .self_signed(certified)
            .unwrap();
        let (key_path, certificate_path) = (folder.path().join("key"), folder.path().join("cert"));
        fs::write(&key_path, key.serialize_pem()).unwrap();
        fs::write(&certificate_path, certificate.pem()).unwrap();
        Signer::read(&key_path, &certificate_path)
    }

    fn p384() -> Made {
        Made::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
    }

    #[test]
    fn a_signed_image_measures_as_before_and_has_its_signer_as_pcr8() {
        let folder = TempDir::new().unwrap();
        let key = p384();
        let signer = written(&folder, &key, &key).unwrap();
        let contents = ImageContents {
            architecture: Architecture::X86_64,
            default_memory: 1 << 30,
            default_cpus: 2,
            kernel: b"kernel",
            command_line: b"console=ttyS0",
            ramdisks: &[b"boot", b"application"],
            metadata: Some(b"{}"),
            signature: None,
        };
        let unsigned = contents.write().unwrap();
        let plain = EnclaveImage::parse(&unsigned).unwrap().measure();
        let section = signer.section(&plain.pcr0).unwrap();
        let signed = ImageContents {
            signature: Some(&section),
            ..contents
        };
        let signed = signed.write().unwrap();
        let measured = EnclaveImage::parse(&signed).unwrap().measure();
        assert_eq!(measured.pcr0, plain.pcr0);
        assert!(measured.pcr8.is_some() && plain.pcr8.is_none());
    }

    #[test]
    fn a_key_of_another_curve_or_certificate_signs_nothing() {
        let folder = TempDir::new().unwrap();
        let p256 = Made::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let refused = |key, certified| written(&folder, key, certified).err().unwrap().to_string();
        assert!(refused(&p256, &p256).contains("is no P-384 key"));
        assert!(refused(&p384(), &p384()).contains("is for another key"));
    }
}
