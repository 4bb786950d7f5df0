//! `tidegate token`: tokens for sources, and their digests. None is ever taken from an argument, which
//! everybody on the machine can read.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use rustls::crypto::ring;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Failure, words};
use crate::config::usable_secret;

mod prompt;

/// Make a token for a source, or say what the digest of one is
///
/// The configuration needs only the digest of a token (`token_sha256`): whoever reads the file cannot send.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  tidegate token new
      A new token for the clients, and the line for the configuration.

  tidegate token hash < token.txt
      The digest of one that exists."
)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(NewArgs),
    Hash(HashArgs),
}

/// Make a new token
///
/// 32 bytes of the operating system's randomness, as text. It is shown this once and kept nowhere.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate token new
      Shows the token, and the lines to paste under [[sources]]. While clients change from the old one
      to the new one, the source has both: the new one as next_token_sha256.

  tidegate token new --sha256-only >> digest.toml
      The token appears on the terminal (stderr), its digest alone goes into the file.")]
struct NewArgs {
    /// Write nothing but the configuration's line to stdout; the token goes to stderr
    #[arg(long)]
    sha256_only: bool,
}

/// Print the SHA-256 of a token
///
/// Reads it from standard input, or asks for it without showing it; white space at its end does not count.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate token hash
      Asks for the token; what is typed is not shown.

  tidegate token hash < /run/secrets/checkout-token")]
struct HashArgs {}

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// What tokens made here begin with, so that one that got lost is known for what it is.
const PREFIX: &str = "tg_";

/// More than any token has, and the line end.
const INPUT_BYTES_MAX: u64 = 64 << 10;

pub(super) fn run(args: &TokenArgs) -> Result<ExitCode, Failure> {
    let text = match &args.command {
        Command::New(args) => new(args).map_err(Failure::Run)?,
        Command::Hash(HashArgs {}) => hash()?,
    };
    super::convert::print(&text).map_err(|error| Failure::Run(error.into()))?;
    Ok(ExitCode::SUCCESS)
}

fn new(args: &NewArgs) -> anyhow::Result<Zeroizing<String>> {
    let token = token()?;
    let digest = digest(&token);
    if args.sha256_only {
        super::say(&token);
        return Ok(Zeroizing::new(format!("token_sha256 = \"{digest}\"\n")));
    }
    Ok(Zeroizing::new(format!(
        "{}\n\n# For the clients: `Authorization: Bearer` and the line above, which is not shown again.\n\
         # For the configuration, under [[sources]]:\ntoken_sha256 = \"{digest}\"\n\n\
         # Or beside the token that is in use, until every client has the new one:\n\
         # next_token_sha256 = \"{digest}\"\n",
        *token
    )))
}

fn token() -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    let random = ring::default_provider().secure_random;
    let filled = random.fill(&mut bytes[..]);
    filled.map_err(|_| anyhow!("the operating system gives no randomness"))?;
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * TOKEN_BYTES));
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(&bytes[..], &mut token);
    Ok(token)
}

fn hash() -> Result<Zeroizing<String>, Failure> {
    let typed = if io::stdin().is_terminal() {
        prompt::ask("Token: ").context("cannot ask for the token").map_err(Failure::Run)?
    } else {
        let mut typed = Zeroizing::new(String::new());
        let read = io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut typed);
        read.context("cannot read the token").map_err(Failure::Run)?;
        typed
    };
    let token = Zeroizing::new(typed.trim_end().to_owned());
    let token = usable_secret("the token", token)
        .map_err(|text| Failure::Usage(anyhow!("{}", text.replace("`the token`", "the token"))))?;
    Ok(Zeroizing::new(format!("{}\n", digest(token.reveal()))))
}

fn digest(token: &str) -> String {
    words::hex(&Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_randomness_it_should_and_can_stand_in_a_header() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_ne!(one, other);
        for token in [one, other] {
            let random = token.strip_prefix(PREFIX).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), TOKEN_BYTES);
            assert!(usable_secret("it", token.clone()).is_ok());
        }
    }

    #[test]
    fn a_digest_is_what_other_programs_make_of_it() {
        // printf %s abc | sha256sum
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest("abc"), known);
    }
}
