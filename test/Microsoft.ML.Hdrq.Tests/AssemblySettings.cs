// Torch and ONNX Runtime use all cores themselves; tests that count live tensors must not run beside others.
[assembly: DoNotParallelize]
