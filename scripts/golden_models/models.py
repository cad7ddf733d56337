"""Models with random weights, tiny or at their published size."""

import open_clip
import torch


class Scale:
    """The size of all models of a run."""

    def __init__(self):
        self.dim, self.side, self.full = 8, 32, False

    def grow(self):
        self.dim, self.side, self.full = 512, 224, True


scale = Scale()
OPENAI = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}
UNIT = {"mean": [0.0] * 3, "std": [1.0] * 3}


def shaken(model, strength=1.5, vision=0.9):
    """Random weights, large enough that different inputs get different vectors. Full-size models keep their weights."""
    if scale.full:
        return model.eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Pictures differ enough by themselves; strong weights would amplify a resizer's last bit.
            size = vision if "vis" in name else strength
            if weight.dim() > 1:
                # Positions must weigh less than the content, or all inputs get similar vectors.
                fan = 25 if "position" in name else 1 if "embed" in name else weight[0].numel()
                weight.copy_(torch.randn(weight.shape, generator=generator) * size / fan**0.5)
            elif "logit" not in name:
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
    return model.eval()


def open_clip_model(vision=None, strength=1.5, contrast=1.1, **text_cfg):
    tiny = {"image_size": scale.side, "layers": 1, "width": 8, "head_width": 4, "patch_size": 8}
    vision = vision or (open_clip.get_model_config("ViT-B-32")["vision_cfg"] if scale.full else tiny)
    size = {"width": 512, "heads": 8, "layers": 12} if scale.full else {"width": 8, "heads": 2, "layers": 1}
    text = {**size, "context_length": 77, **text_cfg}
    custom = "hf_model_name" in text or text.get("no_causal_mask", False)
    if custom and "hf_model_name" not in text:
        return shaken(open_clip.CustomTextCLIP(scale.dim, vision, text), strength, contrast), {"embed_dim": scale.dim, "vision_cfg": vision, "text_cfg": text}
    cls = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    return shaken(cls(scale.dim, vision, text), strength, contrast), {"embed_dim": scale.dim, "vision_cfg": vision, "text_cfg": text}


def preprocess(resize_mode, interpolation, numbers):
    return {"image_size": [scale.side, scale.side], "resize_mode": resize_mode, "interpolation": interpolation, "fill_color": 0, **numbers}
