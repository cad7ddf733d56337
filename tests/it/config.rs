//! The config file, the environment and their order, on the real binary.

use std::fs;

use crate::workspace::Workspace;

fn stdout(workspace: &Workspace, args: &[&str]) -> String {
    let output = workspace.imgsearch(args).assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// The value and origin of a key.
fn held(workspace: &Workspace, key: &str, variables: &[(&str, &str)], args: &[&str]) -> (String, String) {
    let mut command = workspace.imgsearch(&["config", "show", "--format", "tsv"]);
    let output = command.args(args).envs(variables.iter().copied()).assert().success().get_output().clone();
    let listed = String::from_utf8(output.stdout).unwrap();
    let line = listed.lines().find(|line| line.starts_with(&format!("{key}\t"))).unwrap();
    let (value, origin) = line.split_once('\t').unwrap().1.split_once('\t').unwrap();
    (value.to_owned(), origin.to_owned())
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let workspace = Workspace::new();
    for seed in 0..6 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    let file = workspace.config();
    let count = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = workspace.imgsearch(&["query", "x"]);
        let output =
            command.args(args).envs(variables.iter().copied()).assert().success().get_output().clone();
        output.stdout.iter().filter(|byte| **byte == b'\n').count()
    };
    assert_eq!(count(&[], &[]), 6, "the default is more");
    assert_eq!(held(&workspace, "top", &[], &[]), ("10".into(), "default".into()));
    fs::write(&file, "# a comment\ntop = 3\n").unwrap();
    assert_eq!(count(&[], &[]), 3);
    assert_eq!(held(&workspace, "top", &[], &[]), ("3".into(), format!("{}:2:7", file.display())));
    let variables = [("IMGSEARCH_TOP", "2")];
    assert_eq!(count(&variables, &[]), 2);
    assert_eq!(held(&workspace, "top", &variables, &[]), ("2".into(), "IMGSEARCH_TOP".into()));
    assert_eq!(count(&variables, &["-n", "1"]), 1);
    assert_eq!(count(&[("IMGSEARCH_TOP", "")], &[]), 3, "an empty variable is ignored");
    let other = workspace.root().join("other.toml");
    fs::write(&other, "top = 4").unwrap();
    assert_eq!(count(&[], &["--config", other.to_str().unwrap()]), 4);
}

#[test]
fn every_key_can_be_set() {
    let workspace = Workspace::new();
    let root = workspace.root().canonicalize().unwrap();
    fs::write(
        workspace.config(),
        "library = \"lib\"\nmodel = \"models/mine\"\ndim = 256\ndevice = \"cpu\"\nthreads = 0x2\n\
         root = [\"photos=/mnt\"]\n\
         exclude = [\"*.gif\", \"a b\"]\nthumbnails = \"none\"\ntop = 3\nmin-score = 0.25\nformat = \"csv\"\ncolor = \"never\"\nhyperlink = \"always\"\n\
         text = true\ntext-model = \"ocr\"\n",
    )
    .unwrap();
    #[track_caller]
    fn check(workspace: &Workspace, key: &str, expected: &str) {
        let (value, origin) = held(workspace, key, &[], &[]);
        assert!(value == expected && origin.contains("config.toml:"), "{key} is {value} from {origin}");
    }
    check(&workspace, "model", root.join("models/mine").to_str().unwrap());
    check(&workspace, "dim", "256");
    check(&workspace, "device", "cpu");
    check(&workspace, "threads", "2");
    check(&workspace, "root", "photos=/mnt");
    check(&workspace, "exclude", "*.gif,a b");
    check(&workspace, "thumbnails", "none");
    check(&workspace, "top", "3");
    check(&workspace, "min-score", "0.25");
    check(&workspace, "format", "csv");
    check(&workspace, "color", "never");
    check(&workspace, "hyperlink", "always");
    let mut command = workspace.imgsearch(&["config", "show", "--format", "tsv"]);
    let output = command.env_remove("IMGSEARCH_LIBRARY").assert().success().get_output().clone();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains(&format!("library\t{}\t", root.join("lib").display())), "{listed}");
    for expected in ["text\ttrue\t".to_owned(), format!("text-model\t{}\t", root.join("ocr").display())] {
        assert!(listed.contains(&expected), "{listed}");
    }
    assert!(!listed.contains("\tdefault"), "{listed}");
}

#[test]
fn excluded_in_the_file_is_excluded() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.photo("b.gif", 2);
    fs::write(workspace.config(), "exclude = [\"*.gif\"]").unwrap();
    assert_eq!(workspace.index(&[], 0).count("embedded"), 1);
    assert_eq!(
        workspace.index(&["--exclude", "*.bmp"], 0).count("embedded"),
        1,
        "what is typed replaces the list"
    );
}

#[test]
fn mistakes_are_reported_with_their_position() {
    let workspace = Workspace::new();
    let file = workspace.config();
    let check = |text: &str, place: &str, named: &[&str]| {
        fs::write(&file, text).unwrap();
        let output = workspace.imgsearch(&["status"]).assert().code(2).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let place = format!("config.toml:{place}: ");
        assert!(
            stderr.contains(&place) && named.iter().all(|name| stderr.contains(name)),
            "{place} in:\n{stderr}"
        );
        assert!(output.stdout.is_empty());
    };
    check("treads = 2", "1:1", &["`treads`", "hint: did you mean `threads`?"]);
    check("\n  zzz = 2", "2:3", &["`zzz`", "hint: the settings are library"]);
    check("[query]\ntop = 3", "1:2", &["`query`"]);
    check("top = \"3\"", "1:7", &["an integer", "string", "hint: for example: `top = 20`"]);
    check("top = 3.5", "1:7", &["an integer", "float"]);
    check("exclude = \"*.gif\"", "1:11", &["array of strings"]);
    check("exclude = [1]", "1:11", &["array of strings"]);
    check("format = true", "1:10", &["a string", "boolean"]);
    check("format = \"xml\"", "1:10", &["`xml`", "jsonl"]);
    check("# ä\nthreads = 0", "2:11", &["`threads`", "1..=512"]);
    check("top = -1", "1:7", &["`top`"]);
    check("min-score = nan", "1:13", &["finite"]);
    check("top = 1\ntop = 2", "2:1", &["duplicate key"]);
    check("top = ", "1:7", &[]);
    check("top = 99999999999999999999", "1:7", &["`top` cannot be 99999999999999999999", "too large"]);
}

#[test]
fn large_config_files_are_refused() {
    let workspace = Workspace::new();
    let endless =
        workspace.imgsearch(&["status", "--config", "/dev/zero"]).assert().code(2).get_output().clone();
    let stderr = String::from_utf8(endless.stderr).unwrap();
    assert!(
        stderr.contains("the config file /dev/zero") && stderr.contains("longer than 1048576 bytes"),
        "{stderr}"
    );
}

#[test]
fn a_bad_variable_is_reported() {
    let workspace = Workspace::new();
    let mut command = workspace.imgsearch(&["status"]);
    let output = command.env("IMGSEARCH_THREADS", "many").assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("IMGSEARCH_THREADS") && stderr.contains("`many`"), "{stderr}");
}

#[test]
fn a_named_file_must_exist() {
    let workspace = Workspace::new();
    let missing = workspace.root().join("none.toml");
    let missing = missing.to_str().unwrap();
    let fails = |command: &mut assert_cmd::Command| {
        let output = command.assert().code(2).get_output().clone();
        assert!(String::from_utf8(output.stderr).unwrap().contains("none.toml"));
    };
    fails(&mut workspace.imgsearch(&["status", "--config", missing]));
    fails(workspace.imgsearch(&["status"]).env("IMGSEARCH_CONFIG", missing));
    assert_eq!(stdout(&workspace, &["config", "path", "--config", missing]).trim_end(), missing);
}

#[test]
fn the_default_file_is_in_the_platforms_folder() {
    let workspace = Workspace::new();
    let home = workspace.root();
    let mut command = workspace.imgsearch(&["config", "path"]);
    command.env_remove("IMGSEARCH_CONFIG").env("XDG_CONFIG_HOME", home.join("xdg")).env("HOME", home);
    let path = String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap();
    let path = std::path::Path::new(path.trim_end());
    assert!(path.starts_with(home) && path.ends_with("config.toml"), "{}", path.display());
}

#[test]
fn a_new_file_explains_and_changes_nothing() {
    let workspace = Workspace::new();
    let file = workspace.root().join("new/config.toml");
    let name = file.to_str().unwrap();
    assert_eq!(stdout(&workspace, &["config", "init", "--config", name]).trim_end(), name);
    let template = fs::read_to_string(&file).unwrap();
    assert!(template.lines().all(|line| line.is_empty() || line.starts_with('#')), "{template}");
    assert_eq!(held(&workspace, "top", &[], &["--config", name]), ("10".into(), "default".into()));
    let examples =
        template.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = "));
    let set = examples.collect::<Vec<_>>().join("\n");
    fs::write(&file, set).unwrap();
    assert_eq!(held(&workspace, "top", &[], &["--config", name]).0, "20", "the examples are right");
    let output =
        workspace.imgsearch(&["config", "init", "--config", name]).assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("already exists") && stderr.contains("hint"), "{stderr}");
}

#[test]
fn the_editor_is_the_users() {
    let workspace = Workspace::new();
    fs::write(workspace.config(), "broken [").unwrap();
    let mut command = workspace.imgsearch(&["config", "edit"]);
    command.env_remove("VISUAL").env("EDITOR", "cat -A").assert().success().stdout("broken [");
    let mut command = workspace.imgsearch(&["config", "edit"]);
    command.env("VISUAL", "false").assert().code(2).stderr(predicates::str::contains("`false` failed"));
    let mut command = workspace.imgsearch(&["config", "edit"]);
    command
        .env_remove("VISUAL")
        .env_remove("EDITOR")
        .assert()
        .code(2)
        .stderr(predicates::str::contains("hint: set `EDITOR`"));
}
