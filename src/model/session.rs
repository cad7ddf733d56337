//! The image and text encoders: preprocessed pictures and texts in, unit vectors out.

use std::fmt;
use std::time::Duration;

use half::f16;
use imgsearch_index::{Vector, VectorError};
use ndarray::{Array2, Array3};
use ort::session::SessionInputValue;
use ort::value::{PrimitiveTensorElementType, Tensor};

use super::batch::{Ability, BATCH, Encode, Encoded};
use super::layout::{ImageConfig, Padding, PreprocessConfig, TextConfig};
use super::ports::{Batch, ChannelOrder, Element, IntegerInput, PixelInput, TokenInputs, Width};
use super::tokenizer::{Tokenizer, Tokens};
use super::tower::{Cut, Loaded, Tower, load};
use super::{Device, ModelError, PassedOver, Prompt, Runtime, nvidia};

/// The image tower. Threads can share it.
pub struct ImageEncoder {
    tower: Tower,
    input: PixelInput,
    preprocess: PreprocessConfig,
}

impl ImageEncoder {
    pub(super) fn open(
        runtime: &Runtime,
        config: &ImageConfig,
        cut: Cut,
        device: Device,
        threads: usize,
    ) -> Result<ImageEncoder, ModelError> {
        let loaded = load(runtime, &config.file, device, threads)?;
        let (tower, input) = Tower::open(loaded, &config.file, cut, PixelInput::of)?;
        Ok(ImageEncoder { tower, input, preprocess: config.preprocess.clone() })
    }

    /// The unit vector for one tensor of [`super::Preprocess::tensor`].
    ///
    /// # Errors
    /// As [`ImageEncoder::encode_images`].
    pub fn encode_image(&self, tensor: Array3<f32>) -> Result<Vector, ModelError> {
        let mut vectors = self.encode_images(&[tensor])?;
        vectors.pop().ok_or_else(|| self.tower.failed(&"no output"))
    }

    /// One unit vector for each tensor of [`super::Preprocess::tensor`], in the same order.
    ///
    /// # Errors
    /// As [`ImageEncoder::encode_each`], and if one of them has no vector.
    pub fn encode_images(&self, tensors: &[Array3<f32>]) -> Result<Vec<Vector>, ModelError> {
        let vectors = self.encode_each(tensors)?.into_iter();
        vectors.map(|vector| vector.map_err(|error| self.tower.failed(&error))).collect()
    }

    /// The unit vector for each tensor, or an error for a tensor whose output has no direction, so that one picture cannot
    /// fail its whole batch.
    ///
    /// # Errors
    /// [`ModelError::Inference`] if ONNX Runtime fails or the output is not `[batch, embed_dim]` numbers;
    /// [`ModelError::OutOfMemory`] if there are too many tensors for the device's memory.
    pub fn encode_each(
        &self,
        tensors: &[Array3<f32>],
    ) -> Result<Vec<Result<Vector, VectorError>>, ModelError> {
        Ok(self.encode_batch(tensors)?.vectors)
    }

    /// The device in use.
    pub fn device(&self) -> Device {
        self.tower.device()
    }

    /// If the device was chosen by [`Device::Auto`]: the devices that were tried before.
    pub fn passed_over(&self) -> &[PassedOver] {
        self.tower.passed_over()
    }

    /// A batch in the type and order that the tower expects.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the nearest whole number is 0 to 255"
    )]
    fn pixels(&self, tensors: &[Array3<f32>]) -> Result<SessionInputValue<'static>, ort::Error> {
        let PreprocessConfig { mean, std, .. } = self.preprocess;
        match self.input.element {
            Element::F16 => self.input_of(tensors, |_, value| f16::from_f32(value)),
            // The tower normalises pixels itself, so they become bytes again.
            Element::U8 => self.input_of(tensors, |colour, value| {
                ((value * std[colour] + mean[colour]) * 255.0).round() as u8
            }),
            Element::F32 | Element::I32 | Element::I64 | Element::Other => {
                self.input_of(tensors, |_, value| value)
            }
        }
    }

    /// Writes a batch into a new input. `convert` gets the channel, 0 to 2, and a value.
    fn input_of<T: PrimitiveTensorElementType + fmt::Debug + 'static>(
        &self,
        tensors: &[Array3<f32>],
        convert: impl Fn(usize, f32) -> T,
    ) -> Result<SessionInputValue<'static>, ort::Error> {
        let [height, width] = self.preprocess.image_size.map(|side| side as usize);
        let shape = match self.input.order {
            ChannelOrder::First => [tensors.len(), 3, height, width],
            ChannelOrder::Last => [tensors.len(), height, width, 3],
        };
        let mut input = self.tower.new_tensor::<T>(&shape)?;
        let mut batch = input.try_extract_array_mut::<T>()?;
        for (tensor, place) in tensors.iter().zip(batch.outer_iter_mut()) {
            if tensor.dim() != (3, height, width) {
                return Err(ort::Error::new(format!("a tensor is {:?}", tensor.shape())));
            }
            let mut place = match self.input.order {
                ChannelOrder::First => place,
                ChannelOrder::Last => place.permuted_axes(vec![2, 0, 1]),
            };
            for (colour, (from, mut to)) in tensor.outer_iter().zip(place.outer_iter_mut()).enumerate() {
                to.zip_mut_with(&from, |to, from| *to = convert(colour, *from));
            }
        }
        Ok(input.into())
    }
}

impl Encode for ImageEncoder {
    fn ability(&self) -> Ability {
        let (device, is_parallel) = (self.device(), self.tower.is_parallel());
        let [height, width] = self.preprocess.image_size;
        let most = match (self.input.batch, is_parallel) {
            (Batch::One, false) => 1,
            (_, true) => BATCH,
            (Batch::Any, false) => Ability::most_of(3 * height as usize * width as usize * size_of::<f32>()),
        };
        Ability { device, is_parallel, most, passed_over: self.passed_over().to_vec() }
    }

    fn encode_batch(&self, tensors: &[Array3<f32>]) -> Result<Encoded, ModelError> {
        let at_once = match self.input.batch {
            Batch::Any => tensors.len().max(1),
            Batch::One => 1,
        };
        let mut encoded = Encoded { vectors: Vec::with_capacity(tensors.len()), took: Duration::ZERO };
        for tensors in tensors.chunks(at_once) {
            let pixels = self.pixels(tensors).map_err(|error| self.tower.refused(&error, tensors.len()))?;
            let Encoded { vectors, took } = self.tower.run(&[(&self.input.name, pixels)], tensors.len())?;
            encoded.vectors.extend(vectors);
            encoded.took += took;
        }
        Ok(encoded)
    }

    fn free_memory(&self) -> Option<u64> {
        (self.device() == Device::Cuda).then(nvidia::free_memory)?
    }
}

/// The text tower with its tokenizer. Threads can share it.
pub struct TextEncoder {
    tower: Tower,
    inputs: TokenInputs,
    tokenizer: Tokenizer,
    prompt: Prompt,
    /// The length to which texts are padded, if they are.
    length: Option<usize>,
}

impl TextEncoder {
    pub(super) fn open(
        loaded: Loaded,
        config: &TextConfig,
        cut: Cut,
        tokenizer: Tokenizer,
        prompt: Prompt,
    ) -> Result<TextEncoder, ModelError> {
        let (tower, inputs) = Tower::open(loaded, &config.file, cut, TokenInputs::of)?;
        if let Some(fixed) = inputs.length.filter(|fixed| *fixed != config.context_length) {
            let expected = config.context_length;
            let detail = format!("it takes {fixed} tokens, but the model's context length is {expected}");
            return Err(ModelError::Config { path: config.file.clone(), detail });
        }
        let length = match config.padding {
            Padding::Needed => Some(config.context_length),
            Padding::Needless => inputs.length,
        };
        Ok(TextEncoder { tower, inputs, tokenizer, prompt, length })
    }

    /// The unit vector of a query's `text` in the caption template.
    ///
    /// # Errors
    /// [`ModelError::NoWords`], [`ModelError::Tokenize`] or [`ModelError::Inference`].
    pub fn encode_query(&self, text: &str) -> Result<Vector, ModelError> {
        if !self.tokenizer.has_words_for(text)? {
            return Err(ModelError::NoWords { text: text.to_owned() });
        }
        let captions = self.prompt.templates().iter().map(|template| template.replace("{}", text));
        let mut vectors =
            captions.map(|caption| self.encode_text(&caption)).collect::<Result<Vec<_>, _>>()?;
        if vectors.len() == 1 {
            return vectors.pop().ok_or_else(|| self.tower.failed(&"no output"));
        }
        let mut sum = vec![0.0; self.tower.dim()];
        for vector in &vectors {
            sum.iter_mut().zip(vector.as_slice()).for_each(|(sum, value)| *sum += value);
        }
        Vector::normalized(sum).map_err(|error| self.tower.failed(&error))
    }

    /// The token ids for `text`, including padding.
    ///
    /// # Errors
    /// [`ModelError::Tokenize`].
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.tokenizer.encode(text, self.length)?.ids)
    }

    /// The unit vector of `text` without a caption template.
    ///
    /// # Errors
    /// [`ModelError::Tokenize`] or [`ModelError::Inference`].
    pub fn encode_text(&self, text: &str) -> Result<Vector, ModelError> {
        let Tokens { ids, length } = self.tokenizer.encode(text, self.length)?;
        let TokenInputs { ids: ids_input, mask, .. } = &self.inputs;
        let is_text = (0..ids.len()).map(|at| u32::from(at < length)).collect();
        let mut inputs = vec![(ids_input, ids)];
        inputs.extend(mask.as_ref().map(|mask| (mask, is_text)));
        let values = inputs.into_iter().map(|(input, row)| Ok((input.name.as_str(), integers(input, row)?)));
        let values =
            values.collect::<Result<Vec<_>, ort::Error>>().map_err(|error| self.tower.failed(&error))?;
        let mut vectors = self.tower.run(&values, 1)?.vectors;
        let vector = vectors.pop().ok_or_else(|| self.tower.failed(&"no output"))?;
        vector.map_err(|error| self.tower.failed(&error))
    }
}

/// One row of token ids or of a mask.
fn integers(input: &IntegerInput, row: Vec<u32>) -> Result<SessionInputValue<'static>, ort::Error> {
    let row =
        Array2::from_shape_vec((1, row.len()), row).map_err(|error| ort::Error::new(error.to_string()))?;
    Ok(match input.width {
        Width::Four => Tensor::from_array(row.mapv(u32::cast_signed))?.into(),
        Width::Eight => Tensor::from_array(row.mapv(i64::from))?.into(),
    })
}
