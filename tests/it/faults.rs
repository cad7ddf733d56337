//! A small run of `scripts/bench/faults`: commands killed at random moments, files damaged, and nothing lost.

use std::path::Path;
use std::process::Command;

#[test]
fn nothing_is_lost_whatever_breaks() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench/faults");
    let mut command = Command::new("python3");
    command.arg(script).args(["--moments", "10", "--corruptions", "12", "--photos", "40", "--binary"]);
    let output = command.arg(assert_cmd::cargo::cargo_bin("imgsearch")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("lost: 0"), "{said}");
}
