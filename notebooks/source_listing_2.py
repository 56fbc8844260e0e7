# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: all,-trusted,-execution,-collapsed
#     formats: ipynb,py:percent
#     notebook_metadata_filter: jupytext,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Listing 2, run and repaired
#
# Debugging a generative adversarial network: three faults that stop the program, and four that leave it with losses to be proud of.
#
# In 2018 a team at Google tuned many kinds of generative adversarial networks with equal effort, and found no evidence that any of them was consistently better than the first {cite}`lucic2018`.
# What had looked like progress could come from more search and more computing, because nobody had measured it evenly.
#
# The second program of the [source document](../book/source_document.md) is called adversarial training.
# On this page it is run as it was printed, fails in front of you, and is repaired fault by fault, as [listing 1](source_listing_1.ipynb) and [listing 3](source_listing_3.ipynb) are.
# The question is one for every program in which two networks train each other: **what would both losses be if neither had learned anything?**
#
# | At a glance | |
# | :--- | :--- |
# | You will be able to | test whether a discriminator discriminates and whether a generator generates, beyond their losses |
# | You need | Python, NumPy, PyTorch, Matplotlib; cross-entropy and gradient descent |
# | Time | 20 minutes to read |
# | Code | `companion.safety.generative_adversarial_networks`, `companion.safety.adversarial_training` |
#
# An error message on this page is part of the lesson: the book's tests compare its name and its text with what you see.

# %% tags=["remove-cell"]
# The lesson's code is the package `companion`. In a clone of the book, `make lab` brings it.
# For this notebook on its own, install the wheel from the book's page "Take it along".
import companion

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from companion.lesson import COLOURS, claim, figure_style, table
from companion.listings import repaired, source_listing

figure_style()

# %% [markdown]
# ## The answer in a picture
#
# The listing has a discriminator, whose work is to tell real samples from generated ones.
# Patch the program just far enough that it runs, and the discriminator's loss falls nearly to zero.
#
# Guess before you look: of new samples, half of them real, how many does it then tell right?


# %% tags=["hide-input"] mystnb={"image": {"alt": "Over a thousand epochs the discriminator's loss falls from about 0.7 to nearly zero in five runs, while the share of samples that it tells right stays at one half at the end of all of them"}, "figure": {"caption": "The patched listing from five seeds: the discriminator's loss, and the share of 2000 new samples, half of them real, that it tells right.", "name": "listing-two-loss"}}
def run(listing, seed=0, **variables):
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    exec(listing, variables)
    return variables


@torch.no_grad()
def told_right(discriminator, real, made):
    real_right = (discriminator(real) > 0).float().mean()
    return float(real_right + (discriminator(made) <= 0).float().mean()) / 2


def watch(epoch, generator, discriminator, loss_g, loss_d):
    history.append((loss_g.item(), loss_d.item()))
    if epoch % 100 == 99:
        shares.append(told_right(discriminator, new[:, :2], generator(new)))


new = torch.randn(1000, 4, generator=torch.Generator().manual_seed(9))
watching = "    watch(epoch, generator, discriminator, loss_g, loss_d)\n"
patches = {
    "np.random.randn(4)": "torch.randn(4)",
    "nn.BCELoss()": "nn.BCEWithLogitsLoss()",
    "discriminator(state)": "discriminator(state[:2])",
    "    optimizer_g.zero_grad()\n": f"{watching}    optimizer_g.zero_grad()\n",
}
patched = source_listing(2)
for old, repair in patches.items():
    patched = patched.replace(old, repair)
ends = []
for seed in range(5):
    history, shares = [], []
    run(patched, seed, watch=watch)
    ends.append((history[-1][1], shares[-1]))
    plt.plot(np.array(history)[:, 1], color=COLOURS["blue"], alpha=0.5)
    plt.plot(range(99, 1000, 100), shares, "o", color=COLOURS["red"], alpha=0.5)
plt.plot([], color=COLOURS["blue"], label="discriminator's loss")
plt.plot([], "o", color=COLOURS["red"], label="share told right")
plt.xlabel("epoch")
plt.ylabel("loss, and share")
plt.ylim(0, 1)
plt.legend()
plt.show()

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "At the end the discriminator's loss is below 0.01, and it tells half of the "
    "samples right, as a coin would.",
    all(loss < 0.01 and share == 0.5 for loss, share in ends),
    over="2000 new samples, 5 seeds",
)

# %% [markdown]
# Its loss is low because nobody ever asked it a question with two answers.
# That is fault 5 below; first the program has to run at all.
#
# ## The listing
#
# The source calls it "Adversarial Training using Generative Adversarial Networks (GANs)".
# A **generator** turns noise into samples, and a **discriminator** gives each sample a score, the *logit*: positive for "real", negative for "made".
# Each trains against the other {cite}`goodfellow2014`.
#
# | no. | fault | how it shows |
# | :--- | :--- | :--- |
# | 1 | the generator is given a NumPy array | `TypeError` |
# | 2 | the loss wants probabilities and gets logits | `RuntimeError`, from many seeds |
# | 3 | a sample made has 2 numbers, a real one 4 | `RuntimeError` |
# | 4 | real samples are labelled as made | silence |
# | 5 | no made sample is ever labelled as made | silence, and fine losses |
# | 6 | the real samples are the generator's own noise | silence |
# | 7 | nothing is attacked, and nothing defended | silence |
#
# This is the listing, to the letter.

# %%
listing = source_listing(2)
Markdown(f"```python\n{listing}```")

# %% [markdown]
# The cell behind the picture defines `run`, which executes such a text as a fresh program and returns its variables.
# It sets seeds, because the listing draws from the global random state of NumPy and of PyTorch.
#
# ### Fault 1: an array where the network wants a tensor

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# All three listings begin with this one: a NumPy array could carry no gradient, so PyTorch does not take it.

# %%
listing = repaired(listing, {"np.random.randn(4)": "torch.randn(4)"})

# %% [markdown]
# ### Fault 2: logits where the loss wants probabilities

# %% tags=["raises-exception"]
run(listing, seed=1)

# %% [markdown]
# The discriminator ends in a linear layer, so its score may be any number, but `BCELoss` takes the logarithm of a probability.
# From seed 0 the first score happens to lie between 0 and 1, and this line passes.
# So an error like this may wait for the thousandth step.
#
# A sigmoid would turn scores into probabilities, and then the logarithm of a rounded 0 would be infinite.
# The loss that takes logits does both at once without that rounding.

# %%
listing = repaired(listing, {"nn.BCELoss()": "nn.BCEWithLogitsLoss()"})

# %% [markdown]
# ### Fault 3: two numbers or four

# %% tags=["raises-exception"]
run(listing)

# %% [markdown]
# The generator makes 2 numbers, and the "real" sample is the state, which has 4.
# No discriminator can compare them, whatever its size, because a pair and a quadruple differ before anyone looks at the numbers.
# For the time being the first two numbers of the state stand for a real sample; fault 6 asks what should.

# %%
listing = repaired(listing, {"discriminator(state)": "discriminator(state[:2])"})

# %% [markdown]
# Now it runs, and this is the program behind the picture.
#
# ### Fault 4: real samples are labelled as made
#
# The label 1 stands for "real": the generator's step calls its own sample 1, because that is what it wants the discriminator to say.
# But the discriminator learns to say 0 to real samples.
# So the two networks do not compete: the one says 0 to everything, and the other looks for a place where it still says 1.

# %%
listing = repaired(
    listing, {"real_label = torch.zeros(1)": "real_label = torch.ones(1)"}
)


# %% [markdown]
# Run it from five seeds, and look at both losses in the end.
# For each trained discriminator, ask also what it says about 2000 points that are a hundred times as far out as the data.


# %%
def last_losses(listing, seed, **variables):
    program = run(listing, seed, **variables)
    return program, program["loss_g"].item(), program["loss_d"].item()


far = 100 * torch.randn(2000, 2, generator=torch.Generator().manual_seed(8))
trained = [last_losses(listing, seed) for seed in range(5)]

# %% tags=["hide-input"]
table(
    ["seed", "generator", "discriminator", "far points called real"],
    [
        [
            str(seed),
            "below 0.001" if loss_g < 1e-3 else f"{loss_g:.2f}",
            "below 0.01" if loss_d < 0.01 else f"{loss_d:.2f}",
            f"{(program['discriminator'](far) > 0).float().mean().item():.0%}",
        ]
        for seed, (program, loss_g, loss_d) in enumerate(trained)
    ],
)

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Both losses fall below 0.01, and the discriminator calls everything real, also "
    "what lies a hundred times as far out.",
    all(
        max(losses) < 0.01 and bool((program["discriminator"](far) > 0).all())
        for program, *losses in trained
    ),
    over="5 seeds; 2000 far points",
)

# %% [markdown]
# Two players of one game have both won, which is the sign that they are not playing the same game.
#
# What would the losses be if neither had learned anything?
# A discriminator that cannot tell gives every sample the logit 0, which costs it $\log 2 \approx 0.69$ for a real and again $\log 2$ for a made one, together $2 \log 2 \approx 1.39$.
# A game that ends there may have ended well, or never have begun; one in which both losses end at zero has not been played.
#
# ### Fault 5: no made sample is ever labelled as made
#
# The discriminator has seen real samples only, so "real" is the right answer to every question that it was asked.
# It must see what the generator makes, with the label 0, and `detach` keeps this step from teaching the generator.

# %%
both = """real_label)
    loss_d = loss_d + adversarial_loss_function(
        discriminator(action.detach()), torch.zeros(1)
    )
"""
listing = repaired(
    listing,
    {"discriminator(state[:2]), real_label)\n": f"discriminator(state[:2]), {both}"},
)

# %% [markdown]
# ### Fault 6: the real samples are the generator's own noise
#
# The state is drawn from the normal distribution, and it is also the generator's input.
# So the perfect generator is the one that copies two of its inputs, and whoever has the noise needs no generator.
#
# Let there be something to learn: pairs of numbers with means 2 and $-1$ and standard deviations $\tfrac12$, as two sensors might give.
# And let each step see 64 of them rather than one, so that 500 steps are enough for us.


# %%
def data(n):
    return torch.tensor([2.0, -1.0]) + torch.randn(n, 2) / 2


listing = repaired(
    listing,
    {
        "torch.randn(4)": "torch.randn(64, 4)",
        "state[:2]": "data(64)",
        "fake_label = torch.ones(1)": "fake_label = torch.ones(64, 1)",
        "real_label = torch.ones(1)": "real_label = torch.ones(64, 1)",
        "torch.zeros(1)": "torch.zeros(64, 1)",
        "range(1000)": "range(500)",
    },
)

# %% [markdown]
# Now it is a GAN.
# Is it a good one?
# Make 1000 samples with the generator of each of five seeds.

# %%
gans = [run(listing, seed, data=data) for seed in range(5)]
with torch.no_grad():
    made = [gan["generator"](new) for gan in gans]
spread = [sample.std(dim=0) for sample in made]

# %% [markdown]
# A GAN needs more than the right loss.
# In `train_gan` the players take turns: the discriminator learns first, and then the generator meets it with new samples.
# It has no momentum, and its discriminator has a second hidden layer.
# Here it plays as many steps, but without the penalty and the running mean that it also has.

# %%
from companion.safety.generative_adversarial_networks import train_gan

torch.manual_seed(0)
pairs = data(2000)
bare = {"steps": 500, "batch": 64, "gamma": 0.0, "average": 0.0}
better = [train_gan(pairs, seed, **bare) for seed in range(5)]
draw = torch.Generator().manual_seed(1)
samples = [gan.sample(1000, draw) for gan in better]
spread_better = [sample.std(dim=0) for sample in samples]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "In one of the two numbers the repaired listing's samples spread less than three "
    "quarters as far as the data do; those of train_gan spread at least that far in both, "
    "even without its penalty and its running mean.",
    max(float(s.min()) for s in spread)
    < 0.75 * 0.5
    < min(float(s.min()) for s in spread_better),
    over="1000 samples each, 5 seeds, 500 steps",
)

# %% [markdown]
# So on two numbers it takes neither the penalty nor the running mean; which of the other differences it takes, this claim does not say.
# On images of digits [the lesson on GANs](safety/generative_adversarial_networks.ipynb) takes away the penalty and the running mean, one at a time, and there you also meet a plain density that comes as close to real images as the GAN does.
#
# ### Fault 7: nothing is attacked, and nothing defended
#
# The section promises a system that withstands attacks.
# But the listing has no classifier that could be attacked, no attack, and no input that was changed to fool anyone; the word *adversarial* in "generative adversarial network" means that the two networks are opponents.
# Here is what the title names: a classifier of handwritten digits, trained once on images as they are, and once on images that an attack has changed by up to $\epsilon = 0.2$ in each pixel.

# %%
from companion.classifiers import accuracy
from companion.datasets import digits
from companion.networks import mlp
from companion.safety.adversarial_examples import pgd
from companion.safety.adversarial_training import (
    adversarial_training,
    fgsm_loss,
    noise_loss,
)

split = digits()
X, y, X_test, y_test = (torch.as_tensor(part) for part in split)
X, X_test = X.float(), X_test.float()


# %%
def classifier(loss, seed, epsilon=0.2, epochs=12):
    network = mlp([64, 128, 128, 10], torch.Generator().manual_seed(seed))
    return adversarial_training(network, X, y, seed, loss, epsilon, epochs=epochs)


def survives(network, epsilon=0.2):
    return accuracy(network, pgd(network, X_test, y_test, epsilon), y_test)


# %% [markdown]
# The defence is trained on images that are changed by a single step, because that is quick.
# The control is trained on images with random noise of the same size, so that you see whether *any* change of the images would have done.
# An attacked image costs two gradients and a noisy one costs one, so the control gets twice as many epochs.

# %%
standard = [classifier(noise_loss, seed, epsilon=0.0) for seed in range(5)]
noisy = [classifier(noise_loss, seed, epochs=24) for seed in range(5)]
defended = [classifier(fgsm_loss, seed) for seed in range(5)]

# %% tags=["hide-input", "claim"] jupyter={"source_hidden": true}
claim(
    "Trained on attacked images, a network keeps more than a quarter of the test images "
    "under an attack that leaves the others less than a tenth; without the attack all "
    "are right on more than nine tenths.",
    max(map(survives, standard + noisy)) < 0.1
    and min(map(survives, defended)) > 0.25
    and min(accuracy(n, X_test, y_test) for n in standard + noisy + defended) > 0.9,
    over="450 test images, 20 gradient steps, 5 seeds of each training",
)

# %% [markdown]
# One attack proves little, and this one is not the strongest.
# The [lesson on adversarial training](safety/adversarial_training.ipynb) asks what survives the worst of many.
# A generator can make the attacks, too, which is as near as one comes to the listing's title; [how much that is worth](safety/generative_adversarial_training.ipynb) is a lesson of its own.
#
# ## Often believed, and wrong
#
# > **Often believed, and wrong**
# >
# > "Both losses are low, so both networks have learned."
# > **Two opponents cannot both win**; a discriminator that cannot tell any more costs $2 \log 2$, and so does one that never could.
# >
# > "Adversarial training is what a GAN does."
# > **A GAN learns to make samples; adversarial training teaches a classifier to withstand changed inputs.** Each has two opponents, and there the likeness ends.
#
# ## References
#
# Generative adversarial networks: {cite:t}`goodfellow2014`.
# Adversarial training: {cite:t}`goodfellow2015` in one step, {cite:t}`madry2018` in several.
# The even comparison of GANs: {cite:t}`lucic2018`.
