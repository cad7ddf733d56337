//! The address of the package index that pip uses.
//!
//! This program names no package index. So a release may be built with the address of one, and otherwise the program asks
//! those who know: the environment and pip.

use std::process::{Command, Stdio};

use super::variable;

/// An address for releases, set when they are built. See `scripts/release`.
const BUILT_IN: Option<&str> = option_env!("IMGSEARCH_PACKAGE_INDEX");

/// The first that is known: that of pip's environment variable, of pip itself (which reads its config files), of the build.
pub(super) fn index() -> Option<String> {
    let built_in = || BUILT_IN.filter(|address| !address.is_empty()).map(str::to_owned);
    variable("PIP_INDEX_URL").or_else(of_pip).or_else(built_in)
}

/// The address that pip would use. Its help names it, as the default of `--index-url`.
fn of_pip() -> Option<String> {
    let ways: [(&str, &[&str]); 4] =
        [("pip3", &[]), ("pip", &[]), ("python3", &["-m", "pip"]), ("py", &["-m", "pip"])];
    ways.into_iter().find_map(|(program, arguments)| {
        let mut command = Command::new(program);
        // Wide enough to keep an address on one line.
        command.args(arguments).args(["download", "--help"]).env("COLUMNS", "500");
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        in_help(&String::from_utf8_lossy(&output.stdout))
    })
}

/// The default of `--index-url` in the help of `pip download`.
fn in_help(help: &str) -> Option<String> {
    let words = help.split_once("--index-url")?.1.split_once("(default")?.1;
    let address = words.split_once(')')?.0.split_whitespace().collect::<String>();
    let is_address = address.starts_with("https://") || address.starts_with("http://");
    is_address.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_help_also_if_it_is_on_its_own_line() {
        let help = "  -i, --index-url <url>       Base URL of the index (default\n     https://host.example/simple). This\n\n  \
                    --extra-index-url <url>     (default x)";
        assert_eq!(in_help(help).as_deref(), Some("https://host.example/simple"));
        assert_eq!(in_help("usage: pip"), None);
        assert_eq!(in_help("--index-url <url> (default /some/folder)"), None);
    }
}
