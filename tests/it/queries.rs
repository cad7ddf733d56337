//! Queries on the command line: expressions, pictures, filters, batches.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::workspace::{Workspace, encoded};

/// Six pictures, two of them with the same content.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for (name, seed) in [("a/1.png", 1), ("a/2.jpg", 20), ("b/3.png", 40), ("b/4.jpg", 60), ("b/5.webp", 80)]
    {
        workspace.photo(name, seed);
    }
    fs::copy(workspace.photos().join("a/1.png"), workspace.photos().join("b/copy of 1.png")).unwrap();
    workspace.index(&[], 0);
    workspace
}

/// The lines of `imgsearch ARGS --format jsonl`, run in the folder of the photos.
#[track_caller]
fn lines(workspace: &Workspace, args: &[&str]) -> Vec<Value> {
    let mut command = workspace.imgsearch(args);
    let output = command.args(["--format", "jsonl"]).current_dir(workspace.photos()).output().unwrap();
    // Only these two notes may appear.
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.lines()
            .all(|line| line.starts_with("no photo matches") || line.contains("the file's date was used")),
        "{said}"
    );
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The file name and score of each line.
fn scored(lines: &[Value]) -> Vec<(String, f64)> {
    let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
    lines.iter().map(|line| (name(line["path"].as_str().unwrap()), line["score"].as_f64().unwrap())).collect()
}

/// Checks that two equivalent queries have the same answer. The scores may differ in the last digits, because one may load
/// the exported text tower and the next its optimised copy.
#[track_caller]
fn same(found: &[Value], expected: &[Value]) {
    let (found, expected) = (scored(found), scored(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!(found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-4, "{found:?}, not {expected:?}");
    }
}

#[track_caller]
fn names(workspace: &Workspace, args: &[&str]) -> Vec<String> {
    scored(&lines(workspace, args)).into_iter().map(|(name, _)| name).collect()
}

/// Checks that the command fails with exit code 2 and that stderr contains each of `named`.
#[track_caller]
fn refused(workspace: &Workspace, args: &[&str], named: &[&str]) {
    let output = workspace.imgsearch(args).current_dir(workspace.photos()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    for name in named {
        assert!(stderr.contains(name), "`{name}` in:\n{stderr}");
    }
}

#[test]
fn the_long_form_and_the_compact_form_are_equivalent() {
    let workspace = indexed();
    #[track_caller]
    fn check(workspace: &Workspace, long: &[&str], compact: &[&str]) {
        let (long, compact) = (lines(workspace, long), lines(workspace, compact));
        assert!(!long.is_empty());
        same(&long, &compact);
    }
    check(
        &workspace,
        &["query", "a", "dog", "--like", "a/2.jpg", "--minus", "fruit"],
        &["query", "a dog", "+", "./a/2.jpg", "-", "fruit"],
    );
    check(
        &workspace,
        &["query", "a dog", "--minus", "./a/2.jpg", "--weight", "3,0.5"],
        &["query", "3:a", "dog", "-", ".5:./a/2.jpg"],
    );
    check(&workspace, &["similar", "a/2.jpg"], &["query", "./a/2.jpg"]);
    check(&workspace, &["similar", "a/2.jpg"], &["query", "--like", "2:a/2.jpg"]);
}

#[test]
fn a_sum_is_between_its_parts() {
    let workspace = indexed();
    let score = |args: &[&str]| {
        let found = scored(&lines(&workspace, args));
        found.into_iter().find(|(name, _)| name == "4.jpg").unwrap().1
    };
    let (dog, cat) = (score(&["query", "a dog"]), score(&["query", "sunset"]));
    let both = score(&["query", "a dog", "+", "sunset"]);
    assert!(both > dog.min(cat), "{dog} {cat} {both}");
    let mostly = score(&["query", "99:a dog", "+", "sunset"]);
    assert!((mostly - dog).abs() < 0.02, "{dog} {mostly}");
}

#[test]
fn a_picture_and_its_copies_are_left_out_of_its_own_results() {
    let workspace = indexed();
    let found = names(&workspace, &["similar", "a/1.png"]);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(!found.iter().any(|name| name.contains('1')), "{found:?}");
    // It is recognised by its content in any place, and by its path with any content.
    let elsewhere = workspace.root().join("elsewhere.png");
    fs::copy(workspace.photos().join("a/1.png"), &elsewhere).unwrap();
    assert_eq!(names(&workspace, &["similar", elsewhere.to_str().unwrap()]), found);
    workspace.photo("a/1.png", 7);
    assert!(!names(&workspace, &["similar", "a/1.png"]).contains(&"1.png".to_owned()));
}

#[test]
fn a_picture_on_stdin_is_like_one_in_a_file() {
    let workspace = indexed();
    let file = workspace.root().join("new.png");
    fs::write(&file, encoded(99, image::ImageFormat::Png)).unwrap();
    let expected = lines(&workspace, &["similar", file.to_str().unwrap()]);
    for args in [["similar", "-"], ["query", "--like=-"]] {
        let mut command = workspace.imgsearch(&args);
        let output =
            command.args(["--format", "jsonl"]).write_stdin(fs::read(&file).unwrap()).output().unwrap();
        let found: Vec<Value> = serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(scored(&found), scored(&expected), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_picture_in_the_library_is_not_read_again() {
    let workspace = indexed();
    let embedded = scored(&lines(&workspace, &["similar", "a/2.jpg"]));
    // Replace it by a text of the same size and time, so that reading it would fail.
    let path = workspace.photos().join("a/2.jpg");
    let metadata = fs::metadata(&path).unwrap();
    let junk = vec![0; usize::try_from(metadata.len()).unwrap()];
    fs::write(&path, junk).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    assert_eq!(scored(&lines(&workspace, &["similar", "a/2.jpg"])), embedded);
    fs::write(&path, "changed").unwrap();
    refused(&workspace, &["similar", "a/2.jpg"], &["2.jpg", "not an image"]);
}

#[test]
fn results_can_be_named_in_the_next_query() {
    let workspace = indexed();
    refused(&workspace, &["similar", "#1"], &["no result 1", "hint"]);
    let first = lines(&workspace, &["query", "a dog", "--sort", "path"]);
    let second_best = first.iter().find(|line| line["rank"] == 2).unwrap()["path"].as_str().unwrap();
    let by_path = lines(&workspace, &["query", "x", "+", second_best]);
    lines(&workspace, &["query", "a dog", "--sort", "path"]);
    same(&lines(&workspace, &["query", "x", "+", "#2"]), &by_path);
    refused(&workspace, &["similar", "#99"], &["no result 99"]);
}

#[test]
fn invalid_queries_are_refused() {
    let workspace = indexed();
    let check = |args: &[&str], named: &[&str]| refused(&workspace, args, named);
    check(&["query", " "], &["empty"]);
    check(&["query", "-", "fruit"], &["only excludes"]);
    check(&["query", "dog", "+"], &["nothing follows the `+`", "hint"]);
    check(&["query", "a", "dog", "./a/1.png"], &["./a/1.png", "hint", "`+`"]);
    check(&["query", "0:dog"], &["weight", "hint"]);
    check(&["query", "https://example.org/a.jpg"], &["never access the network", "hint"]);
    check(&["query", "./none.png"], &["none.png", "No such file"]);
    check(&["query", "dog", "-", "dog"], &["cancel"]);
    check(&["query", "dog", "--weight", "1,2"], &["2 weights", "1 parts"]);
    check(&["query", "dog", "--weight", "-1"], &["--weight"]);
    check(&["query", "猫"], &["no words for `猫`", "hint", "in English", "multilingual"]);
    check(&["query", "a dog", "+", "кошка"], &["no words for `кошка`"]);
    check(&["query", "🐈"], &["no words for `🐈`"]);
    check(&["query", "--queries", "-", "dog"], &["--queries", "cannot be used with"]);
    check(&["query", "--queries", "none.txt"], &["none.txt"]);
    check(&["query", "--queries", "-", "--format", "text"], &["--format jsonl"]);
    fs::write(workspace.photos().join("text.png"), "no picture").unwrap();
    check(&["similar", "text.png"], &["text.png", "not an image"]);
    fs::write(workspace.photos().join("a.pdf"), "%PDF-1.4").unwrap();
    check(&["similar", "a.pdf"], &["a.pdf", "unsupported: PDF", "hint", "JPEG"]);
    fs::File::create(workspace.photos().join("large.png")).unwrap().set_len((256 << 20) + 1).unwrap();
    check(&["similar", "large.png"], &["large.png", "too large", "hint", "JPEG"]);
}

#[test]
fn a_batch_answers_line_by_line_and_continues_after_a_bad_one() {
    let workspace = indexed();
    let file = workspace.root().join("queries.txt");
    fs::write(&file, "a dog\n\n./none.png\n猫\n2:a cat - ./a/2.jpg\r\n").unwrap();
    let mut command = workspace.imgsearch(&["query", "-n", "2", "--queries", file.to_str().unwrap()]);
    let output = command.current_dir(workspace.photos()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("line 3") && stderr.contains("none.png"), "{stderr}");
    assert!(stderr.contains("line 4: the model has no words for `猫`"), "{stderr}");
    let found: Vec<Value> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    let queries: Vec<&str> = found.iter().map(|line| line["query"].as_str().unwrap()).collect();
    assert_eq!(queries, ["a dog", "a dog", "2:a cat - ./a/2.jpg", "2:a cat - ./a/2.jpg"]);
    let alone = lines(&workspace, &["query", "2:a cat", "-", "./a/2.jpg", "-n", "2"]);
    same(&found[2..], &alone);
    let nothing =
        workspace.imgsearch(&["query", "--queries", "-", "--in", "/nowhere"]).write_stdin("x\n").output();
    assert_eq!(nothing.unwrap().status.code(), Some(1));
}

#[test]
fn a_batch_ends_when_nobody_reads_its_answers() {
    let workspace = indexed();
    let mut command = workspace.process(&["query", "-n", "1", "--queries", "-"]);
    let mut batch = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut questions, answers) = (batch.stdin.take().unwrap(), batch.stdout.take().unwrap());
    writeln!(questions, "a dog").unwrap();
    BufReader::new(answers).read_line(&mut String::new()).unwrap();
    // The pipe for answers is closed now, but not the one for questions.
    writeln!(questions, "a cat").unwrap();
    let ended = (0..3000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        batch.try_wait().unwrap()
    });
    batch.kill().unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

#[test]
fn a_prompt_changes_the_text() {
    let workspace = indexed();
    let caption = lines(&workspace, &["query", "a photo of a dog"]);
    same(&lines(&workspace, &["query", "--prompt", "photo", "a dog"]), &caption);
    same(&lines(&workspace, &["query", "--prompt", "off", "a photo of a dog"]), &caption);
    let scores = |prompt| scored(&lines(&workspace, &["query", "--prompt", prompt, "a dog"]));
    assert!(scores("ensemble") != scores("photo") && scores("photo") != scores("off"));
}

#[test]
fn the_runtime_collects_nothing() {
    let workspace = indexed();
    let cache = workspace.root().join("cache");
    let mut command = workspace.imgsearch(&["query", "a dog", "-n", "1"]);
    command.env("XDG_CACHE_HOME", &cache).env_remove("ORT_DISABLE_TELEMETRY").assert().success();
    let kept: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["imgsearch"]);
}

/// Photos from two cameras, with dates and places in EXIF.
fn dated() -> Workspace {
    let workspace = Workspace::new();
    let photo = |name: &str, seed: u32, size: (u32, u32), exif: Vec<u8>| {
        let picture = image::load_from_memory(&encoded(seed, image::ImageFormat::Png)).unwrap();
        let picture = picture.resize_exact(size.0, size.1, image::imageops::FilterType::Nearest);
        let mut jpeg = std::io::Cursor::new(Vec::new());
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif).unwrap();
        picture.write_with_encoder(encoder).unwrap();
        fs::write(workspace.photos().join(name), jpeg.into_inner()).unwrap();
    };
    photo(
        "berlin.jpg",
        1,
        (60, 40),
        exif("Canon EOS R5", "50mm F1.8", "2023:07:14 23:59:59", (52, 30), "N", (13, 24), "E"),
    );
    photo(
        "sydney.JPG",
        2,
        (40, 60),
        exif("NIKON Z 6", "85mm", "2024:01:01 00:00:00", (33, 52), "S", (151, 12), "E"),
    );
    photo(
        "lisbon.jpeg",
        3,
        (50, 50),
        exif("Canon EOS R5", "85mm", "2022:12:31 12:00:00", (38, 43), "N", (9, 8), "W"),
    );
    workspace.photo("plain.png", 4);
    workspace.index(&[], 0);
    workspace
}

/// An EXIF block with a camera's data: texts, and degrees and minutes of a place.
pub(crate) fn exif(
    camera: &str,
    lens: &str,
    taken: &str,
    latitude: (u32, u32),
    north: &str,
    longitude: (u32, u32),
    east: &str,
) -> Vec<u8> {
    use exif::experimental::Writer;
    use exif::{Field, In, Rational, Tag, Value as Exif};
    let text = |text: &str| Exif::Ascii(vec![text.into()]);
    let angle = |(degrees, minutes)| {
        Exif::Rational([degrees, minutes, 0].map(|num| Rational { num, denom: 1 }).to_vec())
    };
    let fields = [
        (Tag::Model, text(camera)),
        (Tag::LensModel, text(lens)),
        (Tag::DateTimeOriginal, text(taken)),
        (Tag::GPSLatitude, angle(latitude)),
        (Tag::GPSLatitudeRef, text(north)),
        (Tag::GPSLongitude, angle(longitude)),
        (Tag::GPSLongitudeRef, text(east)),
    ]
    .map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut bytes = std::io::Cursor::new(Vec::new());
    writer.write(&mut bytes, true).unwrap();
    bytes.into_inner()
}

#[test]
fn every_filter_finds_the_right_photos() {
    let workspace = dated();
    let check = |args: &[&str], expected: &[&str]| {
        let args = [&["query", "a photo", "--sort", "path"], args].concat();
        assert_eq!(names(&workspace, &args), expected, "{args:?}");
    };
    let all = ["berlin.jpg", "lisbon.jpeg", "plain.png", "sydney.JPG"];
    check(&[], &all);
    check(&["--after", "2000"], &all);
    check(&["--on", "2023-07-14"], &["berlin.jpg"]);
    check(&["--on", "2023"], &["berlin.jpg"]);
    check(&["--before", "2023"], &["lisbon.jpeg"]);
    check(&["--after", "2023-07", "--before", "2024-01-02"], &["berlin.jpg", "sydney.JPG"]);
    check(&["--after", "a week ago"], &["plain.png"]);
    check(&["--near", "52.52,13.40"], &["berlin.jpg"]);
    check(&["--near", "-33.86,151.2,50"], &["sydney.JPG"]);
    check(&["--near", "50,0,2000"], &["berlin.jpg", "lisbon.jpeg"]);
    check(&["--camera", "canon"], &["berlin.jpg", "lisbon.jpeg"]);
    check(&["--lens", "85MM"], &["lisbon.jpeg", "sydney.JPG"]);
    check(&["--camera", "canon", "--lens", "85mm"], &["lisbon.jpeg"]);
    check(&["--orientation", "square"], &["lisbon.jpeg"]);
    check(&["--orientation", "portrait"], &["sydney.JPG"]);
    check(&["--orientation", "landscape"], &["berlin.jpg", "plain.png"]);
    check(&["--min-size", "50x40"], &["berlin.jpg", "lisbon.jpeg"]);
    check(&["--min-size", "0.0024MP"], &["berlin.jpg", "lisbon.jpeg", "sydney.JPG"]);
    check(&["--type", "jpeg"], &["berlin.jpg", "lisbon.jpeg", "sydney.JPG"]);
    check(&["--type", "png,raw"], &["plain.png"]);
    check(&["--glob", "*b*.jp*"], &["berlin.jpg", "lisbon.jpeg"]);
    check(&["--glob", "p*.png", "--glob", "photos/syd*"], &["plain.png", "sydney.JPG"]);
    check(&["--type", "png", "--camera", "canon"], &[]);
}

#[test]
#[cfg(target_os = "linux")]
fn towns_are_found_by_name_if_the_names_are_installed() {
    let workspace = dated();
    let installed = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().join("runtime");
    let query = |near: &str| {
        let mut command = workspace.imgsearch(&["query", "a photo", "--format", "paths", "--near", near]);
        command.env("XDG_DATA_HOME", workspace.root()).env("ORT_DYLIB_PATH", &installed);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, stderr) = query("Berlin");
    assert!(code == Some(2) && stderr.contains("\nhint: run `imgsearch setup places`"), "{stderr}");
    fs::create_dir(workspace.root().join("imgsearch")).unwrap();
    let towns = "52.52\t13.41\tDE\tBerlin\tberlin\t\n44.47\t-71.18\tUS\tBerlin\tberlin\t\n";
    fs::write(workspace.root().join("imgsearch/places.tsv"), towns).unwrap();
    let (code, stdout, stderr) = query("BERLIN");
    assert!(code == Some(0) && stdout.contains("berlin.jpg") && stdout.lines().count() == 1, "{stdout}");
    assert_eq!(stderr, "near Berlin, DE: 52.52,13.41\n");
    assert_eq!(query("Berlin,us").0, Some(1));
    assert_eq!(query("Berlin, de, 2000").1.lines().count(), 1);
    assert_eq!(query("Berlin, de, 2500").1.lines().count(), 2);
    let (code, _, stderr) = query("Atlantis");
    assert!(
        code == Some(2) && stderr.contains("no town `Atlantis`") && stderr.contains("\nhint: "),
        "{stderr}"
    );
}

#[test]
fn matches_have_the_requested_order_and_keep_their_ranks() {
    let workspace = dated();
    let by_date = lines(&workspace, &["query", "a photo", "--sort", "date"]);
    let found: Vec<String> = scored(&by_date).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, ["plain.png", "sydney.JPG", "berlin.jpg", "lisbon.jpeg"]);
    let best = lines(&workspace, &["query", "a photo", "-n", "2"]);
    for line in &best {
        let same = by_date.iter().find(|other| other["path"] == line["path"]).unwrap();
        assert_eq!(same["rank"], line["rank"]);
    }
    let two: Vec<PathBuf> = best.iter().map(|line| line["path"].as_str().unwrap().into()).collect();
    let again = lines(&workspace, &["query", "a photo", "-n", "2", "--sort", "path"]);
    assert!(again.iter().all(|line| two.contains(&line["path"].as_str().unwrap().into())), "{again:?}");
}

#[test]
fn invalid_filters_are_refused() {
    let workspace = indexed();
    let check = |args: &[&str], named: &[&str]| refused(&workspace, &[&["query", "x"], args].concat(), named);
    check(&["--after", "soon"], &["--after", "`soon`", "2 weeks ago"]);
    check(&["--on", "2023-02-30"], &["no such day"]);
    check(&["--before", "5 minutes ago"], &["days"]);
    check(&["--after", "2024", "--before", "2023"], &["no time"]);
    check(&["--near", "1"], &["--near", "LAT,LON"]);
    check(&["--near", "91,0"], &["latitude"]);
    check(&["--near", "1,2,-3"], &["kilometres"]);
    check(&["--min-size", "big"], &["--min-size", "12MP"]);
    check(&["--type", "exe"], &["--type", "jpeg"]);
    check(&["--orientation", "round"], &["--orientation", "square"]);
    check(&["--glob", "["], &["`[`"]);
    check(&["--sort", "size"], &["--sort", "date"]);
}

/// The text on stderr, and the exit code.
fn said(workspace: &Workspace, args: &[&str]) -> (String, i32) {
    let output = workspace.imgsearch(args).current_dir(workspace.photos()).output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

#[test]
fn an_empty_result_is_explained() {
    let workspace = dated();
    let check = |args: &[&str], why: &str| {
        let (text, code) = said(&workspace, &[&["query", "a photo"], args].concat());
        assert_eq!((text.trim_end(), code), (format!("no photo matches: {why}").as_str(), 1), "{args:?}");
        let quiet = said(&workspace, &[&["query", "a photo", "-q"], args].concat());
        assert_eq!(quiet, (String::new(), 1), "{args:?}");
    };
    let nowhere = workspace.photos().join("nope");
    let nowhere = nowhere.to_str().unwrap();
    let inside = workspace.photos().join("sub");
    fs::create_dir(&inside).unwrap();
    let inside = inside.canonicalize().unwrap();
    check(&["--in", nowhere], &format!("of 4 photos, none is in {nowhere} (there is no such folder)"));
    check(&["--in", inside.to_str().unwrap()], &format!("of 4 photos, none is in {}", inside.display()));
    check(&["--glob", "x*", "--glob", "y"], "of 4 photos, none matches `x*` or `y`");
    check(&["--type", "heic,raw"], "of 4 photos, none is of type `heic` or `raw`");
    check(&["--on", "1999"], "of 4 photos, none was taken then (for 1 of them the file's date counts)");
    check(&["--near", "0,0"], "of 4 photos, 3 have GPS data, but none was taken there");
    check(&["--camera", "leica"], "of 4 photos, none is from a camera called `leica`");
    check(&["--lens", "200mm"], "of 4 photos, none was taken with a lens called `200mm`");
    check(&["--min-size", "100MP"], "of 4 photos, none is that large");
    check(
        &["--camera", "canon", "--glob", "plain*"],
        "each condition matches some of 4 photos, but no photo meets all of them",
    );
    check(&["--min-score", "0.99"], "none of 4 photos scores 0.99 or more");
    check(&["--min-score", "0.99", "--camera", "nikon"], "none of 1 photo scores 0.99 or more");
    let plain = Workspace::new();
    plain.photo("a.png", 1);
    plain.index(&[], 0);
    let (text, _) = said(&plain, &["query", "x", "--near", "0,0"]);
    assert!(text.contains("of 1 photo, none has GPS data, so a search by place finds nothing"), "{text}");
    let (text, code) = said(&plain, &["similar", "a.png"]);
    assert!(text.contains("the library has only the picture you searched with") && code == 1, "{text}");
    let (text, code) = said(&plain, &["tags", "--min-probability", "1"]);
    assert_eq!(
        (text.as_str(), code),
        ("no photo has a label: no label reaches a probability of 1 for any of 1 photo\n", 1)
    );
    let none = plain.root().join("none.txt");
    fs::write(&none, "\n").unwrap();
    let (text, code) = said(&plain, &["query", "--queries", none.to_str().unwrap()]);
    assert_eq!((text, code), (format!("warning: {} has no queries\n", none.display()), 1));
    let (text, code) = said(&plain, &["tags", "--in", "/nowhere"]);
    assert!(
        text.contains("of 1 photo, none is in /nowhere (there is no such folder)") && code == 1,
        "{text}"
    );
}

#[test]
fn every_command_that_lists_nothing_says_why() {
    let plain = Workspace::new();
    plain.photo("a.png", 1);
    plain.photo("b.png", 7);
    plain.index(&[], 0);
    let check = |args: &[&str], expected: &str, code: i32| {
        assert_eq!(said(&plain, args), (format!("{expected}\n"), code), "{args:?}");
        assert_eq!(said(&plain, &[args, &["-q"]].concat()), (String::new(), code), "{args:?}");
    };
    let more = "`--similar` also finds other shots of the same scene";
    check(&["duplicates"], &format!("no duplicates among 2 photos; {more}"), 1);
    check(
        &["duplicates", "--exact"],
        "no duplicates among 2 photos; leave out `--exact` to also find pictures that were saved again",
        1,
    );
    let folder = plain.photos();
    let folder = folder.to_str().unwrap();
    let outside = "copies outside are not compared";
    check(
        &["duplicates", folder],
        &format!("no duplicates among 2 photos in {folder}; {outside}; {more}"),
        1,
    );
    let nowhere = "no duplicates: of 2 photos, none is in nope (there is no such folder)";
    check(&["duplicates", "nope"], nowhere, 1);
    check(&["status", "--skipped"], "no file was skipped", 0);
    check(&["status", "--noted"], "no indexed photo has a fault", 0);
    let unlikely =
        "no photo matches: none of 2 photos is likely to show this; `--all` lists the best ones anyway";
    check(&["query", "a steam engine in a railway station", "--cutoff"], unlikely, 1);
}

#[test]
fn a_date_query_says_how_many_dates_are_those_of_files() {
    let workspace = dated();
    let (text, _) = said(&workspace, &["query", "a photo", "--no-collapse", "--after", "2000"]);
    assert_eq!(text, "for 1 of 4 photos the file's date was used, because the photo itself has none\n");
    assert_eq!(said(&workspace, &["query", "a photo", "--no-collapse"]), (String::new(), 0));
    assert_eq!(said(&workspace, &["query", "a photo", "--camera", "canon", "--after", "2000"]).0, "");
}
