//! The page to log in at.

use axum::response::Html;
use maud::html;

use super::{address, whole};

/// `GET /login`.
pub(super) async fn page() -> Html<String> {
    let body = html! {
        main.login {
            h1 { "imgsearch" }
            p { "Open the link that " code { "imgsearch serve" } " printed, or log in with the password." }
            form method="post" action="/login" {
                label { "Password" input type="password" name="secret" autocomplete="current-password" required autofocus; }
                p.acts { button { "Log in" } }
            }
        }
    };
    whole("Log in", &html! { script type="module" src=(address("login.js")) {} }, &body)
}
