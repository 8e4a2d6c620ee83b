"""The client: right gradients, an untouched model, and the truth kept apart."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from gradinv_core.client import capture_batch_gradients, capture_gradients, client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import LabelError, NonFiniteError, OptionError, ShapeError
from gradinv_core.head import observe_head
from gradinv_core.labels import hard_label, mixup_label, smooth_label
from gradinv_core.networks import build_network

IMAGE = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
LABEL = mixup_label(2, 5, 10, 0.65, 0.1)


@pytest.fixture
def model() -> nn.Module:
    return build_network("lenet_sigmoid", 10, head_bias=True)


def test_gradients_equal_an_independent_backward_pass(model: nn.Module) -> None:
    twin = copy.deepcopy(model)
    nn.functional.cross_entropy(twin(IMAGE[None]), LABEL[None].float()).backward()
    gradients = capture_gradients(model, IMAGE, LABEL)
    assert list(gradients) == [name for name, _ in model.named_parameters()]
    for name, parameter in twin.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(gradients[name], parameter.grad)


def test_head_gradient_is_prediction_minus_label_times_feature(model: nn.Module) -> None:
    head, truth = observe_head(model, capture_gradients(model, IMAGE, LABEL)), client_truth(model, IMAGE, LABEL)
    difference = truth.probabilities - truth.label
    torch.testing.assert_close(head.weight_grad.double(), torch.outer(difference, truth.feature), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(truth.scale * head.weight_grad[truth.row].double(), truth.feature, rtol=1e-5, atol=1e-7)


def test_truth_holds_what_the_client_knows(model: nn.Module) -> None:
    truth = client_truth(model, IMAGE, LABEL)
    assert torch.equal(truth.image, IMAGE)
    assert torch.equal(truth.label, LABEL)
    assert truth.feature.shape == (768,)
    assert {truth.logits.dtype, truth.probabilities.dtype, truth.feature.dtype, truth.label.dtype} == {torch.float64}
    assert truth.row == 2
    assert abs(truth.scale) >= 1
    torch.testing.assert_close(truth.probabilities.sum(), torch.tensor(1.0, dtype=torch.float64))


def test_scale_is_infinite_when_the_prediction_is_the_label() -> None:
    silent = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2, bias=False))
    nn.init.zeros_(silent.get_parameter("1.weight"))
    assert client_truth(silent, IMAGE, [0.5, 0.5]).scale == float("inf")
    assert not capture_gradients(silent, IMAGE, [0.5, 0.5])["1.weight"].any()


def test_a_batch_axis_of_one_makes_no_difference(model: nn.Module) -> None:
    assert torch.equal(
        capture_gradients(model, IMAGE[None], LABEL)["0.weight"], capture_gradients(model, IMAGE, LABEL)["0.weight"]
    )


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = build_network("resnet18", 10)
    model.train(training)
    model.get_submodule("layer1").eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    capture_gradients(model, torch.rand(3, 64, 64), LABEL)
    client_truth(model, torch.rand(3, 64, 64), LABEL)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_batch_norm_and_dropout_are_in_evaluation_mode() -> None:
    model = build_network("resnet18", 10)
    image = torch.rand(3, 64, 64)
    expected = capture_gradients(model, image, LABEL)["fc.weight"]
    assert torch.equal(capture_gradients(model.train(), image, LABEL)["fc.weight"], expected)


def test_frozen_models_and_no_grad_blocks_work(model: nn.Module) -> None:
    expected = capture_gradients(model, IMAGE, LABEL)["0.weight"]
    model.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(capture_gradients(model, IMAGE, LABEL)["0.weight"], expected)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_gradients_keep_the_type_of_their_parameters(model: nn.Module) -> None:
    gradients = capture_gradients(model.double(), IMAGE, LABEL)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float64}
    assert not any(gradient.requires_grad for gradient in gradients.values())


def test_a_parameter_that_takes_no_part_has_a_zero_gradient() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    model.register_parameter("idle", nn.Parameter(torch.ones(4)))
    assert capture_gradients(model, IMAGE, LABEL)["idle"].tolist() == [0.0] * 4


def test_one_model_may_serve_many_threads(model: nn.Module) -> None:
    images = [torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(12)]
    alone = [capture_gradients(model, image, LABEL)["0.weight"] for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: capture_gradients(model, image, LABEL)["0.weight"], images))
    assert all(torch.equal(first, second) for first, second in zip(alone, together, strict=True))


def test_a_batch_is_refused(model: nn.Module) -> None:
    with pytest.raises(ShapeError, match="image: expected one image, got a batch of 2"):
        capture_gradients(model, torch.rand(2, 3, 32, 32), LABEL)


def test_an_image_the_network_cannot_take(model: nn.Module) -> None:
    with pytest.raises(
        ShapeError, match=r"image: expected a size the network can take, got \(3, 20, 20\) \(.*mat1 and mat2"
    ):
        capture_gradients(model, torch.rand(3, 20, 20), LABEL)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_image_that_is_not_finite(model: nn.Module, bad: float) -> None:
    with pytest.raises(NonFiniteError, match="image: expected finite values, got NaN or infinity"):
        capture_gradients(model, IMAGE * bad, LABEL)


def test_a_label_of_another_length(model: nn.Module) -> None:
    for function in (capture_gradients, client_truth):
        with pytest.raises(ShapeError, match="label: expected 10 entries, one per class, got 7"):
            function(model, IMAGE, hard_label(0, 7))


def test_a_label_off_the_simplex(model: nn.Module) -> None:
    with pytest.raises(LabelError, match="label: expected entries that sum to 1, got 2"):
        capture_gradients(model, IMAGE, 2 * LABEL)
    with pytest.raises(LabelError, match="label: expected entries of at least 0"):
        capture_gradients(model, IMAGE, 2 * hard_label(0, 10) - hard_label(1, 10))


def test_weights_that_overflow(model: nn.Module) -> None:
    with torch.no_grad():
        model.get_parameter("7.weight").fill_(3e38)
    with pytest.raises(NonFiniteError, match="logits: expected finite numbers, got NaN or infinity; the network's"):
        capture_gradients(model, IMAGE, LABEL)


def test_a_gradient_that_overflows() -> None:
    deep = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2, bias=False), nn.Linear(2, 10, bias=False))
    with torch.no_grad():
        deep[1].weight.zero_()
        deep[2].weight.fill_(3e38)
        deep[2].weight[0].neg_()
    with pytest.raises(NonFiniteError, match="gradient: expected finite numbers, got NaN or infinity"):
        capture_gradients(deep, IMAGE * 1e5, hard_label(0, 10))


def test_networks_that_do_not_classify() -> None:
    with pytest.raises(ShapeError, match=r"network: expected logits of shape \(1, classes\), got \(1, 4, 32, 32\)"):
        capture_gradients(nn.Conv2d(3, 4, 1), IMAGE, LABEL)
    with pytest.raises(OptionError, match="network: expected one with parameters, got Flatten without any"):
        capture_gradients(nn.Flatten(), IMAGE, LABEL)


def test_a_batch_is_the_mean_of_its_samples():
    model = build_network("lenet_sigmoid", 10)
    pictures = load_dataset("photographs", 32)
    images, labels = [pictures[index][0] for index in (1, 2, 3)], [hard_label(index, 10) for index in (1, 5, 5)]
    together = capture_batch_gradients(model, images, labels)
    alone = [capture_gradients(model, image, label) for image, label in zip(images, labels, strict=True)]
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, sum(part[name] for part in alone) / 3)


def test_training_mode_takes_the_samples_own_statistics_and_leaves_the_models_alone():
    model = build_network("resnet18", 10)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    image, label = load_dataset("photographs", 64)[0][0], hard_label(1, 10)
    training = capture_gradients(model, image, label, batch_norm="training")
    evaluation = capture_gradients(model, image, label)
    assert not torch.allclose(training["fc.weight"], evaluation["fc.weight"])
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    truth = client_truth(model, image, label, batch_norm="training")
    torch.testing.assert_close(
        training["fc.weight"].double(), torch.outer(truth.probabilities - label, truth.feature), rtol=1e-4, atol=1e-6
    )


def test_batches_and_modes_that_make_no_sense_get_a_sentence():
    model, image, label = build_network("lenet_sigmoid", 10), torch.rand(3, 32, 32), hard_label(1, 10)
    with pytest.raises(ShapeError, match="batch: expected at least one image and a label for each, got 0 and 0"):
        capture_batch_gradients(model, [], [])
    with pytest.raises(ShapeError, match="batch: expected images of one size"):
        capture_batch_gradients(model, [image, torch.rand(3, 16, 16)], [label, label])
    with pytest.raises(OptionError, match="batch_norm: expected one of evaluation, training, got 'both'"):
        capture_gradients(model, image, label, batch_norm="both")


def test_the_truth_of_one_sample_in_a_batch_depends_on_the_others_in_training_mode():
    model = build_network("resnet18", 10, seed=2)
    images, label = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.full((10,), 0.1)
    alone = client_truth(model, images[0], label, batch_norm="training")
    beside = client_truth(model, images[0], label, batch_norm="training", others=list(images[1:]))
    assert not torch.allclose(alone.feature, beside.feature)
    known = client_truth(model, images[0], label, others=list(images[1:]))
    torch.testing.assert_close(known.feature, client_truth(model, images[0], label).feature, rtol=1e-4, atol=1e-5)


def test_grey_and_oblong_images_are_taken_as_the_network_takes_them():
    model = nn.Sequential(nn.Conv2d(1, 4, 5, 2, 2), nn.Sigmoid(), nn.Flatten(), nn.Linear(4 * 7 * 10, 10))
    image = torch.rand(1, 14, 20, generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(model(image[None]), LABEL[None].float()).backward()
    torch.testing.assert_close(capture_gradients(model, image, LABEL)["0.weight"], model[0].weight.grad)
    assert client_truth(model, image, LABEL).image.shape == (1, 14, 20)
    with pytest.raises(ShapeError, match=r"got \(3, 14, 20\) \(.*1 channels.*\); give the image the channels, height"):
        capture_gradients(model, image.expand(3, -1, -1), LABEL)


def test_with_mean_and_std_the_network_is_fed_the_normalised_picture(model: nn.Module) -> None:
    mean, std = (0.485, 0.456, 0.406), [0.229, 0.224, 0.225]
    fed = (IMAGE - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    expected, truth = capture_gradients(model, fed, LABEL), client_truth(model, IMAGE, LABEL, mean=mean, std=std)
    assert torch.equal(truth.image, IMAGE)
    torch.testing.assert_close(truth.feature, client_truth(model, fed, LABEL).feature)
    alone = capture_gradients(model, IMAGE, LABEL, mean=mean, std=torch.tensor(std))
    batch = capture_batch_gradients(model, [IMAGE, IMAGE], [LABEL, LABEL], mean=mean, std=std)
    for name, gradient in expected.items():
        torch.testing.assert_close(alone[name], gradient)
        torch.testing.assert_close(batch[name], gradient)


def test_with_a_range_the_network_is_fed_the_image_as_it_is(model: nn.Module) -> None:
    image = 2 * IMAGE - 1
    assert torch.equal(
        capture_gradients(model, image, LABEL, pixel_range=(-1, 1))["0.weight"],
        capture_gradients(model, image, LABEL)["0.weight"],
    )
    with pytest.raises(OptionError, match="image: expected pixels from -1 to 1, as pixel_range says, got -2"):
        capture_gradients(model, 2 * image, LABEL, pixel_range=(-1, 1))


def test_a_picture_normalised_twice_is_refused(model: nn.Module) -> None:
    with pytest.raises(OptionError, match=r"expected the picture itself, in \[0, 1\], .* if it is normalised already"):
        capture_gradients(model, (IMAGE - 0.5) / 0.25, LABEL, mean=0.5, std=0.25)


@pytest.mark.parametrize("options", [{"temperature": 3.0}, {"class_weights": [0.5 + index for index in range(10)]}])
def test_the_client_plays_a_loss_with_temperature_or_class_weights(options):
    model, image, label = build_network("fcn_small", 10), torch.rand(3, 32, 32), smooth_label(3, 10, 0.1)
    sent = capture_gradients(model, image, label, **options)
    logits = model(image[None])
    temperature = options.get("temperature", 1.0)
    weights = torch.tensor(options["class_weights"]) if "class_weights" in options else None
    loss = temperature**2 * torch.nn.functional.cross_entropy(logits / temperature, label[None].float(), weight=weights)
    expected = torch.autograd.grad(loss, list(model.parameters()))
    for gradient, other in zip(sent.values(), expected, strict=True):
        assert torch.allclose(gradient, other, rtol=1e-4, atol=1e-7)
    twice = capture_batch_gradients(model, [image, image], [label, label], **options)
    assert all(torch.allclose(twice[name], sent[name], rtol=1e-4, atol=1e-7) for name in sent)
    with pytest.raises(OptionError, match="temperature: expected a number above 0"):
        capture_gradients(model, image, label, temperature=-1)
