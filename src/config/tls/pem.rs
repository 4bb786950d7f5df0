//! Certificates and keys out of PEM files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Most bytes of a file of certificates.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The bytes of a file. Blocks.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let mut pem = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut pem))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if pem.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown} has more than {FILE_BYTES_MAX} bytes of PEM"));
    }
    Ok(pem)
}

/// At least one certificate.
pub(super) fn certificates(
    pem: &[u8],
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let list = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{shown} is not PEM: {error}"))?;
    if list.is_empty() {
        return Err(format!("{shown} holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)"));
    }
    Ok(list)
}

/// The first private key.
pub(super) fn private_key(pem: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
        if pem.windows(encrypted.len()).any(|window| window == encrypted) {
            return format!(
                "the key in {shown} is encrypted, and nobody is asked for its passphrase: decrypt it with \
                 `openssl pkey`, and let nobody else read the file"
            );
        }
        format!("{shown} holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)")
    })
}
