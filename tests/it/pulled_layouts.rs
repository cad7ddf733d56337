//! Pulls models in the layouts on Hugging Face, and compares their vectors with the reference.

use imgsearch::Model;

use crate::hub_server::{Repo, Server};
use crate::model_goldens::{Golden, LEAST_COSINE, cosine, execution, goldens, inputs, picture, read};
use crate::models::{Newcomer, check};

/// Pulls a golden model, and embeds a picture and a text with it.
#[track_caller]
fn check_pulled(name: &str, args: &[&str], layout: &str) {
    let mut repo = Repo::of_folder(&goldens().join(name));
    // Unneeded files that are often published with a model.
    repo.0.extend(
        [".gitattributes", "README.md", "onnx/model.onnx", "visual/model.armnn", "pytorch_model.bin"]
            .map(|name| (name, b"not needed".to_vec())),
    );
    let (user, server) = (Newcomer::new(), Server::of(repo));
    check(user.imgsearch(&server.url(), &["models", "pull", "acme/small"]).args(args), 0, &[]);
    assert!(server.log().iter().all(|request| !request.path.contains("README")));
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
    let model = Model::open(&user.models().join("small"), execution(None)).unwrap();
    assert_eq!(model.layout().to_string(), layout);
    let golden: Golden = read(&goldens().join(name).join("golden.json"));
    let (inputs, last) = (inputs(), inputs().special - 1);
    let image =
        model.image_encoder().unwrap().encode_images(&[picture(&model, &inputs.pictures[0])]).unwrap();
    assert!(cosine(&image[0], &golden.images[0]) > LEAST_COSINE, "{name}");
    let text = model.text_encoder().unwrap().encode_text(&inputs.texts[last]).unwrap();
    assert!(cosine(&text, &golden.texts[last]) > LEAST_COSINE, "{name}");
}

#[test]
fn a_pulled_model_of_any_layout_matches_its_reference() {
    check_pulled("mclip-immich", &[], "Immich");
    check_pulled("xlm-roberta-immich", &[], "Immich");
    check_pulled("clip-transformers", &["--text-precision", "fp32"], "transformers.js");
    check_pulled("siglip2-transformers", &[], "transformers.js");
    check_pulled("metaclip2-transformers", &[], "transformers.js");
    check_pulled("pe-core-own", &[], "imgsearch");
}
