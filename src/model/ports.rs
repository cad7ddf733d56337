//! Identifies the inputs of a tower and the output that is the embedding, by position, type and shape.
//!
//! Exporters choose names freely, so a name is used only if shapes leave two possibilities. Remaining ambiguity is an error
//! that names the input or output.

use std::fmt;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) dims: Vec<Dim>,
}

/// The element types of tensors that towers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    U8,
    I32,
    I64,
    Other,
}

/// A dimension of a tensor: fixed at export, or free, with a name that may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dim {
    Fixed(usize),
    Named(String),
}

impl Dim {
    /// The size, if it is fixed.
    pub(crate) fn fixed(&self) -> Option<usize> {
        match self {
            Dim::Fixed(size) => Some(*size),
            Dim::Named(_) => None,
        }
    }
}

impl Element {
    /// From `TensorProto.DataType`.
    pub(crate) fn of_onnx(number: u64) -> Element {
        match number {
            1 => Element::F32,
            2 => Element::U8,
            6 => Element::I32,
            7 => Element::I64,
            10 => Element::F16,
            _ => Element::Other,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "towers don't use the other twenty")]
    fn of_ort(element: TensorElementType) -> Element {
        match element {
            TensorElementType::Float32 => Element::F32,
            TensorElementType::Float16 => Element::F16,
            TensorElementType::Uint8 => Element::U8,
            TensorElementType::Int32 => Element::I32,
            TensorElementType::Int64 => Element::I64,
            _ => Element::Other,
        }
    }
}

impl Port {
    /// The inputs and the outputs of a loaded tower.
    pub(crate) fn of_session(session: &Session) -> (Vec<Port>, Vec<Port>) {
        (
            session.inputs().iter().map(Port::of_outlet).collect(),
            session.outputs().iter().map(Port::of_outlet).collect(),
        )
    }

    fn of_outlet(outlet: &Outlet) -> Port {
        let name = outlet.name().to_owned();
        let ValueType::Tensor { ty, shape, dimension_symbols } = outlet.dtype() else {
            return Port { name, element: Element::Other, dims: Vec::new() };
        };
        let dim = |(size, symbol): (&i64, &String)| match usize::try_from(*size) {
            Ok(size) => Dim::Fixed(size),
            Err(_) => Dim::Named(symbol.clone()),
        };
        Port {
            name,
            element: Element::of_ort(*ty),
            dims: shape.iter().zip(dimension_symbols.iter()).map(dim).collect(),
        }
    }

    fn is_integer(&self) -> bool {
        matches!(self.element, Element::I32 | Element::I64)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({:?} [", self.name, self.element)?;
        for (at, dim) in self.dims.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            match dim {
                Dim::Fixed(size) => write!(f, "{size}")?,
                Dim::Named(name) => f.write_str(if name.is_empty() { "?" } else { name })?,
            }
        }
        f.write_str("])")
    }
}

fn named(ports: &[Port]) -> String {
    ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ")
}

/// The one input of an image tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PixelInput {
    pub(crate) name: String,
    /// [`Element::F32`] and [`Element::F16`] mean normalised pixels, [`Element::U8`] bytes that the graph normalises.
    pub(crate) element: Element,
    pub(crate) order: ChannelOrder,
    /// Height and width, if they are fixed.
    pub(crate) size: [Option<usize>; 2],
    pub(crate) batch: Batch,
}

/// Whether colours are stored in three planes or pixel by pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelOrder {
    /// `[batch, 3, height, width]`
    First,
    /// `[batch, height, width, 3]`
    Last,
}

/// How many pictures or texts a tower accepts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// Any number.
    Any,
    /// Only one, fixed at export.
    One,
}

impl Batch {
    fn of(port: &Port) -> Result<Batch, String> {
        match port.dims.first().map(Dim::fixed) {
            Some(None) => Ok(Batch::Any),
            Some(Some(1)) => Ok(Batch::One),
            _ => Err(format!("input {port} is fixed to a batch that is not 1")),
        }
    }
}

impl PixelInput {
    /// # Errors
    /// A message if `inputs` are wrong or ambiguous.
    pub(crate) fn of(inputs: &[Port]) -> Result<PixelInput, String> {
        let [input] = inputs else {
            return Err(format!(
                "an image tower must have one input, but this one has {}: {}",
                inputs.len(),
                named(inputs)
            ));
        };
        let [_, a, b, c] = &input.dims[..] else {
            return Err(format!(
                "input {input} is neither [batch, 3, height, width] nor [batch, height, width, 3]"
            ));
        };
        if !matches!(input.element, Element::F32 | Element::F16 | Element::U8) {
            return Err(format!("input {input} takes neither f32 nor f16 nor u8"));
        }
        let is_channel = |dim: &Dim| match dim {
            Dim::Fixed(size) => *size == 3,
            Dim::Named(name) => name.contains("channel"),
        };
        // In Hugging Face's models `pixel_values` means planes, even if all dimensions are free.
        let (order, size) = match (is_channel(a), is_channel(c)) {
            (true, false) => (ChannelOrder::First, [b, c]),
            (false, true) => (ChannelOrder::Last, [a, b]),
            (false, false) if input.name == "pixel_values" && a.fixed().is_none() => {
                (ChannelOrder::First, [b, c])
            }
            _ => return Err(format!("input {input} does not show which dimension is the colours")),
        };
        let (name, element, batch) = (input.name.clone(), input.element, Batch::of(input)?);
        Ok(PixelInput { name, element, order, size: size.map(Dim::fixed), batch })
    }
}

/// The inputs of a text tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenInputs {
    pub(crate) ids: IntegerInput,
    /// The mask: 1 for tokens, 0 for padding.
    pub(crate) mask: Option<IntegerInput>,
    /// The number of tokens per text, if it is fixed.
    pub(crate) length: Option<usize>,
    pub(crate) batch: Batch,
}

/// An integer input and its width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IntegerInput {
    pub(crate) name: String,
    pub(crate) width: Width,
}

/// The width of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Four,
    Eight,
}

impl TokenInputs {
    /// # Errors
    /// A message if `inputs` are wrong or ambiguous.
    pub(crate) fn of(inputs: &[Port]) -> Result<TokenInputs, String> {
        if let Some(strange) = inputs.iter().find(|input| !input.is_integer() || input.dims.len() != 2) {
            return Err(format!("input {strange} is not i32 or i64 [batch, length]"));
        }
        let is_mask = |port: &&Port| port.name.contains("mask");
        let (ids, mask) = match inputs {
            [ids] => (ids, None),
            [a, b] if is_mask(&b) && !is_mask(&a) => (a, Some(b)),
            [a, b] if is_mask(&a) && !is_mask(&b) => (b, Some(a)),
            _ => return Err(format!("inputs are not token ids and a mask, but {}", named(inputs))),
        };
        let integers = |port: &Port| IntegerInput {
            name: port.name.clone(),
            width: if port.element == Element::I32 { Width::Four } else { Width::Eight },
        };
        let length = ids.dims.get(1).and_then(Dim::fixed);
        Ok(TokenInputs { batch: Batch::of(ids)?, length, mask: mask.map(integers), ids: integers(ids) })
    }
}

/// The output that is the embedding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Embedding {
    pub(crate) name: String,
    pub(crate) element: Element,
    /// Its dimension, if it is fixed.
    pub(crate) dim: Option<usize>,
}

/// Hugging Face's names for the embedding among other outputs, best first.
const EMBEDDINGS: [&str; 3] = ["image_embeds", "text_embeds", "pooler_output"];

impl Embedding {
    /// # Errors
    /// A message if `outputs` are wrong or ambiguous.
    pub(crate) fn of(outputs: &[Port]) -> Result<Embedding, String> {
        let output = EMBEDDINGS
            .iter()
            .find_map(|name| outputs.iter().find(|output| output.name == *name))
            .map_or_else(|| the_only_matrix(outputs), Ok)?;
        let [_, dim] = &output.dims[..] else {
            return Err(format!("output {output} is not [batch, embed_dim]"));
        };
        if !matches!(output.element, Element::F32 | Element::F16) {
            return Err(format!("output {output} is neither f32 nor f16"));
        }
        Ok(Embedding { name: output.name.clone(), element: output.element, dim: dim.fixed() })
    }
}

fn the_only_matrix(outputs: &[Port]) -> Result<&Port, String> {
    let mut matrices = outputs.iter().filter(|output| output.dims.len() == 2);
    match (matrices.next(), matrices.next()) {
        (Some(output), None) => Ok(output),
        _ => Err(format!("cannot tell which output is the embedding [batch, embed_dim]: {}", named(outputs))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port with these dimensions: `3` is fixed, `batch` is free.
    fn port(name: &str, element: Element, dims: &[&str]) -> Port {
        let dim = |dim: &&str| dim.parse().map_or_else(|_| Dim::Named((*dim).to_owned()), Dim::Fixed);
        Port { name: name.to_owned(), element, dims: dims.iter().map(dim).collect() }
    }

    #[test]
    fn pixels_are_identified_by_their_shape() {
        #[track_caller]
        fn check(name: &str, dims: &[&str], expected: Result<(ChannelOrder, Batch), &str>) {
            let found = PixelInput::of(&[port(name, Element::F32, dims)]);
            match (found.map(|input| (input.order, input.batch)), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => unreachable!("{dims:?}: {found:?}, expected {expected:?}"),
            }
        }
        use ChannelOrder::{First, Last};
        check("x", &["b", "3", "224", "224"], Ok((First, Batch::Any)));
        check("x", &["1", "3", "224", "224"], Ok((First, Batch::One)));
        check("x", &["", "256", "256", "3"], Ok((Last, Batch::Any)));
        check("x", &["b", "num_channels", "h", "w"], Ok((First, Batch::Any)));
        check("pixel_values", &["", "", "", ""], Ok((First, Batch::Any)));
        check("x", &["", "", "", ""], Err("`x`"));
        check("x", &["b", "3", "224", "3"], Err("colours"));
        check("x", &["8", "3", "224", "224"], Err("batch"));
        check("x", &["b", "1", "224", "224"], Err("colours"));
        check("x", &["b", "3", "224"], Err("[b, 3, 224]"));
        assert!(PixelInput::of(&[port("x", Element::I64, &["b", "3", "9", "9"])]).is_err());
        assert!(PixelInput::of(&[]).is_err());
    }

    #[test]
    fn tokens_are_distinguished_from_their_mask() {
        #[track_caller]
        fn check(ports: &[(&str, Element, &[&str])], expected: Option<(&str, Option<&str>, Option<usize>)>) {
            let ports: Vec<_> =
                ports.iter().map(|(name, element, dims)| port(name, *element, dims)).collect();
            let found = TokenInputs::of(&ports).ok();
            let found = found.as_ref().map(|found| {
                (found.ids.name.as_str(), found.mask.as_ref().map(|mask| mask.name.as_str()), found.length)
            });
            assert_eq!(found, expected);
        }
        let free: &[&str] = &["b", "n"];
        check(&[("text", Element::I32, &["1", "77"])], Some(("text", None, Some(77))));
        check(
            &[("a_mask", Element::I64, free), ("ids", Element::I64, free)],
            Some(("ids", Some("a_mask"), None)),
        );
        check(
            &[("ids", Element::I64, free), ("attention_mask", Element::I64, free)],
            Some(("ids", Some("attention_mask"), None)),
        );
        check(&[("ids", Element::I64, free), ("position_ids", Element::I64, free)], None);
        check(&[("ids", Element::F32, free)], None);
        check(&[("ids", Element::I64, &["b"])], None);
        check(&[], None);
    }

    #[test]
    fn the_embedding_is_distinguished_from_hidden_states() {
        #[track_caller]
        fn check(ports: &[(&str, &[&str])], expected: Option<(&str, Option<usize>)>) {
            let ports: Vec<_> = ports.iter().map(|(name, dims)| port(name, Element::F32, dims)).collect();
            let found = Embedding::of(&ports).ok();
            assert_eq!(found.as_ref().map(|found| (found.name.as_str(), found.dim)), expected);
        }
        check(&[("x", &["b", "512"])], Some(("x", Some(512))));
        check(
            &[("last_hidden_state", &["b", "50", "768"]), ("pooler_output", &["b", "d"])],
            Some(("pooler_output", None)),
        );
        check(
            &[("pooler_output", &["b", "768"]), ("text_embeds", &["b", "512"])],
            Some(("text_embeds", Some(512))),
        );
        check(&[("states", &["b", "n", "8"]), ("pooled", &["b", "8"])], Some(("pooled", Some(8))));
        check(&[("a", &["b", "8"]), ("b", &["b", "8"])], None);
        check(&[("last_hidden_state", &["b", "50", "768"])], None);
    }
}
