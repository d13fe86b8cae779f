//! Passwords: from a prompt, from stdin or from a file. Never from the arguments, which other users of the machine can read.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::args::Global;

/// Longer is no password.
const MAX_PASSWORD: u64 = 4096;

/// The password that stdin or a file holds, if either was named.
///
/// # Errors
/// It cannot be read, or is empty.
pub(crate) fn given(global: &Global) -> Result<Option<Zeroizing<String>>> {
    if global.password_stdin {
        return first_line(io::stdin().lock())
            .context("cannot read the password from stdin")
            .map(Some);
    }
    global.password_file.as_deref().map(from_file).transpose()
}

fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let wrong = || format!("cannot read the password from {}", path.display());
    first_line(io::BufReader::new(std::fs::File::open(path).with_context(wrong)?)).with_context(wrong)
}

fn first_line(source: impl BufRead) -> Result<Zeroizing<String>> {
    // Room for all of it, so that growing leaves no copy behind.
    let mut line = Zeroizing::new(String::with_capacity(MAX_PASSWORD as usize + 1));
    source.take(MAX_PASSWORD).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    if line.is_empty() {
        bail!("the password is empty");
    }
    Ok(line)
}

/// Asks for the password of an account.
///
/// # Errors
/// There is nobody to ask.
pub(crate) fn ask_once() -> Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        bail!("the account is locked with a password: use --password-stdin or PARLOUR_PASSWORD_FILE");
    }
    let password = rpassword::prompt_password("Password: ").context("cannot read the password")?;
    Ok(Zeroizing::new(password))
}

/// Asks twice for the password to log in with.
///
/// # Errors
/// There is nobody to ask, it is empty, or the two differ.
pub(crate) fn ask_login() -> Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        bail!("say the new password: --password-stdin, --password-file or PARLOUR_PASSWORD_FILE");
    }
    match ask_twice("New password: ")? {
        Some(password) => Ok(password),
        None => bail!("the password is empty"),
    }
}

/// Asks twice for the password of a new account; an empty one means none.
///
/// # Errors
/// There is nobody to ask, or the two differ.
pub(crate) fn ask_new() -> Result<Option<Zeroizing<String>>> {
    if !io::stdin().is_terminal() {
        bail!("say how the account is protected: --no-password, --password-stdin or PARLOUR_PASSWORD_FILE");
    }
    ask_twice("Password (empty for none): ")
}

/// The answer that was given twice; nothing if it is empty.
fn ask_twice(prompt: &str) -> Result<Option<Zeroizing<String>>> {
    let read = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .context("cannot read the password")
    };
    let first = read(prompt)?;
    if first.is_empty() {
        return Ok(None);
    }
    if *first != *read("The same again: ")? {
        bail!("the two passwords differ");
    }
    Ok(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for text in ["hunter 2", "hunter 2\n", "hunter 2\r\n", "hunter 2\nnext line\n"] {
            assert_eq!(first_line(text.as_bytes()).unwrap().as_str(), "hunter 2");
        }
    }

    #[test]
    fn an_empty_password_is_refused() {
        assert!(first_line("".as_bytes()).is_err());
        assert!(first_line("\nsecond".as_bytes()).is_err());
    }
}
